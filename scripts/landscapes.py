"""Landscapes that samplers are replayed on: what a merge of given parameters would score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from scripts.measure_landscape import OBJECTIVES, landscape_space
from search.ledger.trial import Proposal
from search.objectives import Objective, normalised
from search.space import Space, SpaceSettings
from workers.recipe import Recipe, Source

DATA = Path(__file__).parent / "data" / "landscape.npz"
LANDSCAPES = ("measured", "layers", "deep")
JUDGED = ("letters", "reverse")  # of the measured ones; sort's inputs differ by one document only
FOLDS = 10


class Landscape(Protocol):
    """A space, and the losses of its recipes."""

    space: Space
    objectives: list[Objective]

    def losses(self, proposal: Proposal) -> np.ndarray:
        """One loss per objective."""

    def normalised(self, losses: np.ndarray) -> np.ndarray:
        """On the scale where the best of base and models is 0 and the worst 1."""


@cache
def load(name: str, seed: int) -> Landscape:
    """A landscape by name; the made-up ones differ by seed."""
    if name == "measured":
        return Measured(DATA)
    return (
        MadeUp(seed, models=3, groups=4) if name == "layers" else MadeUp(seed, models=4, groups=16)
    )


def coefficients(recipe: Recipe, n_layers: int) -> dict[str, np.ndarray]:
    """What decides a merge, per model and layer: scaled weights, densities and the scale."""
    rows = [_parameters(recipe, layer) for layer in range(n_layers)]
    names = sorted(recipe.models)
    weights = np.array([[row["weight"][name] for name in names] for row in rows])
    scale = np.array([row.get("lambda", 1.0) for row in rows])
    if recipe.method in ("linear", "ties"):  # they normalise: only the shares count
        weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)
    density = [rows[0].get("density", dict.fromkeys(names, 1.0))[name] for name in names]
    return {"weights": weights * scale[:, None], "density": np.array(density)}


def _parameters(recipe: Recipe, layer: int) -> Mapping[str, Any]:
    return next(g.parameters for g in recipe.groups if g.covers(layer, "mlp", ""))


class Measured:
    """The demo's real models: a Gaussian process through a few thousand measured merges.

    One process per method and objective over what decides a merge (`coefficients`), on a scale on
    which scores are less skewed. The first trials have their own measured scores. Between measured
    points it is the process' mean, so the landscape is smoother than the truth.
    """

    def __init__(self, path: Path) -> None:
        self.space = landscape_space()
        self.objectives = [Objective.of(name, name, *OBJECTIVES[name]) for name in JUDGED]
        data = np.load(path)
        points, scores = (
            data["points"].astype(float),
            data["scores"][:, : len(JUDGED)].astype(float),
        )
        whole = np.isfinite(scores).all(1)
        self._methods = points[:, list(data["axes"]).index("method")].astype(int)[whole]
        self._features = np.array(
            [self._row(self._params(data["axes"], row)) for row in points[whole]]
        )
        self._scores = scores[whole]
        labels = data["known_labels"].tolist()
        self._known = dict(
            zip(labels, data["known_scores"][:, : len(JUDGED)].astype(float), strict=True)
        )
        self._scales = data.get("scales")
        anchors = [self._known[label] for label in ("base", *self.space.models)]
        self._anchors = np.array([self._signed(row) for row in anchors])
        self._fits: dict[tuple[int, int], Process] = {}

    def losses(self, proposal: Proposal) -> np.ndarray:
        """Measured for a first trial, else as the processes expect."""
        if proposal.label is not None:
            return self._signed(self._measured(proposal))
        method = self.space.methods.index(proposal.recipe.method)
        row = np.array(self._row(proposal.params or {}))[None]
        expected = [self._process(method, i).predict(row)[0] for i in range(len(self.objectives))]
        return self._signed(_from_scale(np.array(expected)))

    def _measured(self, proposal: Proposal) -> np.ndarray:
        """The scores of a first trial; a step of the greedy soup is known by its two models."""
        if proposal.label in self._known:
            return self._known[proposal.label]
        weights = proposal.recipe.groups[0].parameters["weight"]
        one, other = [name for name, weight in weights.items() if weight]
        return self._known[f"greedy soup 2: {one}, after {other}"]

    def normalised(self, losses: np.ndarray) -> np.ndarray:
        """As `RunResults` does it."""
        return normalised(losses, self._anchors)

    def fit(self) -> np.ndarray:
        """The likeliest length scales, shape (methods, objectives, features)."""
        shape = len(self.space.methods), len(self.objectives)
        return np.array(
            [
                [self._rows(m, i, slice(None)).scales for i in range(shape[1])]
                for m in range(shape[0])
            ]
        )

    def report(self) -> str:
        """How well left-out points are predicted, per method and objective."""
        lines = [f"{len(self._scores)} points; R² on left-out tenths (of the better half by mean)"]
        mean = self.normalised(self._signed(self._scores)).mean(1)
        for m, method in enumerate(self.space.methods):
            mine = np.flatnonzero(self._methods == m)
            good = mean[mine] <= np.median(mean[mine])
            cells = []
            for i, objective in enumerate(self.objectives):
                expected = self._left_out(m, i, len(mine))
                true = self._scores[mine, i]
                predicted = _from_scale(np.eye(len(JUDGED))[i] * expected[:, None])[:, i]
                all_r2, good_r2 = _r2(true, predicted), _r2(true[good], predicted[good])
                cells.append(f"{objective.name} {all_r2:.3f} ({good_r2:.3f})")
            lines.append(f"{method:16} {len(mine):5} points   " + "   ".join(cells))
        return "\n".join(lines)

    def _left_out(self, method: int, objective: int, count: int) -> np.ndarray:
        fold = np.random.default_rng(0).permutation(count) % FOLDS
        expected = np.zeros(count)
        mine = np.flatnonzero(self._methods == method)
        for k in range(FOLDS):
            process = self._rows(method, objective, fold != k)
            expected[fold == k] = process.predict(self._features[mine[fold == k]])
        return expected

    def _process(self, method: int, objective: int) -> Process:
        if (method, objective) not in self._fits:
            self._fits[method, objective] = self._rows(method, objective, slice(None))
        return self._fits[method, objective]

    def _rows(self, method: int, objective: int, which: Any) -> Process:
        mine = np.flatnonzero(self._methods == method)[which]
        scales = None if self._scales is None else self._scales[method, objective]
        return Process(self._features[mine], _to_scale(self._scores[mine])[:, objective], scales)

    def _row(self, params: Mapping[str, Any]) -> list[float]:
        """What the processes see of a point: as many numbers for every method."""
        found = coefficients(self.space.recipe(params), self.space.n_layers)
        return [*found["weights"].ravel().tolist(), *found["density"].tolist()]

    def _params(self, axes: Sequence[str], row: np.ndarray) -> dict[str, Any]:
        known = self.space.axes
        return {
            name: known[name].choices[int(value)] if known[name].choices else float(value)
            for name, value in zip(axes, row, strict=True)
        }

    def _signed(self, scores: np.ndarray) -> np.ndarray:
        return scores * [each.sign for each in self.objectives]


class Process:
    """A Gaussian process with a length scale per feature and some noise.

    Args:
        points: shape (n, n_features).
        values: shape (n,).
        scales: log length scales, then log noise; None finds the likeliest.
    """

    def __init__(self, points: np.ndarray, values: np.ndarray, scales: np.ndarray | None) -> None:
        self._points = points
        self._mean, self._deviation = values.mean(), values.std() or 1.0
        targets = (values - self._mean) / self._deviation
        self.scales = self._likeliest(points, targets) if scales is None else scales
        kernel, _ = _kernel(points, points, self.scales)
        kernel[np.diag_indices_from(kernel)] += np.exp(self.scales[-1])
        self._weights = cho_solve(cho_factor(kernel, lower=True), targets)

    def predict(self, points: np.ndarray) -> np.ndarray:
        """Expected values."""
        kernel, _ = _kernel(points, self._points, self.scales)
        return kernel @ self._weights * self._deviation + self._mean

    @staticmethod
    def _likeliest(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
        some = np.random.default_rng(0).permutation(len(points))[:400]
        points, targets = points[some], targets[some]
        start = np.log(
            np.append(np.maximum(points.std(0), 1e-2) * 2 * points.shape[1] ** 0.5, 0.01)
        )
        found = minimize(
            _unlikelihood, start, (points, targets), jac=True, method="L-BFGS-B",
            bounds=[(s - 3, s + 5) for s in start[:-1]] + [(-9.0, 0.0)], options={"maxiter": 40},
        )  # fmt: skip
        return found.x


def _kernel(
    rows: np.ndarray, others: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Matérn 5/2, and the scaled distances."""
    a, b = rows / np.exp(scales[:-1]), others / np.exp(scales[:-1])
    squares = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0)
    r = np.sqrt(5 * squares)
    return (1 + r + r**2 / 3) * np.exp(-r), r


def _unlikelihood(
    scales: np.ndarray, points: np.ndarray, targets: np.ndarray
) -> tuple[float, np.ndarray]:
    kernel, r = _kernel(points, points, scales)
    noise = np.exp(scales[-1])
    factor = cho_factor(kernel + noise * np.eye(len(points)), lower=True)
    weights = cho_solve(factor, targets)
    inverse = cho_solve(factor, np.eye(len(points)))
    pull = inverse - np.outer(weights, weights)
    slope = pull * (5 / 3) * (1 + r) * np.exp(-r)
    gradient = [
        0.5 * float((slope * np.subtract.outer(x, x) ** 2).sum()) / np.exp(2 * s)
        for x, s in zip(points.T, scales[:-1], strict=True)
    ]
    value = 0.5 * float(targets @ weights) + float(np.log(np.diag(factor[0])).sum())
    return value, np.array([*gradient, 0.5 * noise * float(np.trace(pull))])


def _to_scale(scores: np.ndarray) -> np.ndarray:
    """Logarithm of bits, and shares of right answers as they are."""
    return np.column_stack([np.log(scores[:, 0]), scores[:, 1:]])


def _from_scale(values: np.ndarray) -> np.ndarray:
    values = np.atleast_2d(values)
    found = np.column_stack([np.exp(values[:, 0]), np.clip(values[:, 1:], 0.0, 1.0)])
    return found[0] if len(found) == 1 else found


def _r2(true: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum())


class MadeUp:
    """A formula with the traits of merges, and a random instance of it per seed.

    Each model is good at one objective, which needs its task vector: most in a few layers, and to
    an amount that varies smoothly with depth. The others' vectors disturb it, less so where signs
    are elected and vectors are sparse.
    """

    def __init__(self, seed: int, models: int, groups: int) -> None:
        names = [chr(ord("a") + i) for i in range(models)]
        settings = SpaceSettings.model_validate({"depth": {"groups": groups}})
        sources = {name: Source(f"/models/{name}") for name in names}
        methods = ("linear", "task_arithmetic", "ties", "dare_ties")
        self.space = Space(methods, sources, Source("/models/base"), groups, settings)
        self.objectives = [Objective.of(name, name, "score", "maximize") for name in names]
        chance = np.random.default_rng(seed)
        shape = (models, groups)
        knots = chance.uniform(0.5, 1.1, (models, 3))
        grid = np.linspace(0, 1, groups)
        self._wanted = np.array([np.interp(grid, [0, 0.5, 1], row) for row in knots])
        self._matters = chance.gamma(0.6, size=shape)
        self._matters /= self._matters.sum(1, keepdims=True)
        self._disturbs = chance.uniform(0.2, 1.0, (models, models)) * (1 - np.eye(models))
        self._method = chance.uniform(0.85, 1.0, (len(methods), models))
        self._density = chance.uniform(0.3, 0.8, models)
        base = self._losses("linear", np.zeros(shape).T, np.ones(models))
        alone = [
            self._losses("linear", np.eye(models)[[i] * groups], np.ones(models))
            for i in range(models)
        ]
        self._anchors = np.array([base, *alone])

    def losses(self, proposal: Proposal) -> np.ndarray:
        """By the formula; the base is a merge of nothing."""
        recipe = proposal.recipe
        if recipe.method == "passthrough":
            return self._anchors[(["base", *self.space.models]).index(next(iter(recipe.models)))]
        found = coefficients(recipe, self.space.n_layers)
        return self._losses(recipe.method, found["weights"], found["density"])

    def normalised(self, losses: np.ndarray) -> np.ndarray:
        """As `RunResults` does it."""
        return normalised(losses, self._anchors)

    def _losses(self, method: str, weights: np.ndarray, density: np.ndarray) -> np.ndarray:
        """Weights have shape (layers, models); what comes back is minus the scores."""
        elected = method in ("ties", "dare_ties")
        noise = 0.5 if elected else 1.0
        own = (self._matters * (weights.T - self._wanted) ** 2).sum(1)
        others = self._disturbs @ (self._matters * weights.T**2).sum(1) * noise
        sparse = ((density - self._density) ** 2).sum() if elected else 0.3
        quality = self._method[self.space.methods.index(method)]
        return -quality * np.exp(-2.0 * own - 0.6 * others - 0.3 * sparse)

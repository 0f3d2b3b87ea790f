"""The measured landscape: Gaussian processes fitted to merges of the demo's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.landscapes.coefficients import coefficients
from scripts.landscapes.gaussian_process import GaussianProcess
from scripts.landscapes.space import DATA, OBJECTIVES, measured_space
from search.ledger.trial import Proposal
from search.objectives import Objective, normalised

USED = ("letters", "reverse")  # the input models differ in sort by one document only
FOLDS = 10


class Measured:
    """Gaussian processes fitted to a few thousand measured merges of the demo's models.

    There is one process per method and objective, over the `coefficients` of recipes; scores are
    transformed to be less skewed. Baselines have their own measured scores. Between measured points
    the landscape is the mean of the process, so it is smoother than the real one.
    """

    def __init__(self, path: Path = DATA) -> None:
        self.space = measured_space()
        self.objectives = [Objective.of(name, name, *OBJECTIVES[name]) for name in USED]
        data = np.load(path)
        points, scores = (
            data["points"].astype(float),
            data["scores"][:, : len(USED)].astype(float),
        )
        scored = np.isfinite(scores).all(1)
        self._methods = points[:, list(data["axes"]).index("method")].astype(int)[scored]
        self._features = np.array(
            [self._feature_row(self._params(data["axes"], row)) for row in points[scored]]
        )
        self._scores = scores[scored]
        labels = data["known_labels"].tolist()
        self._baselines = dict(
            zip(labels, data["known_scores"][:, : len(USED)].astype(float), strict=True)
        )
        self._scales = data.get("scales")
        inputs = [self._baselines[label] for label in ("base", *self.space.models)]
        self._inputs = np.array([self._signed(row) for row in inputs])
        self._processes: dict[tuple[int, int], GaussianProcess] = {}

    def losses(self, proposal: Proposal) -> np.ndarray:
        """Measured for a baseline, otherwise predicted by the processes."""
        if proposal.label is not None:
            return self._signed(self._measured(proposal))
        method = self.space.methods.index(proposal.recipe.method)
        row = np.array(self._feature_row(proposal.params or {}))[None]
        predicted = [self._process(method, i).predict(row)[0] for i in range(len(self.objectives))]
        return self._signed(_from_scale(np.array(predicted)))

    def _measured(self, proposal: Proposal) -> np.ndarray:
        """The scores of a baseline; a step of the greedy soup is found by its two models."""
        if proposal.label in self._baselines:
            return self._baselines[proposal.label]
        weights = proposal.recipe.groups[0].parameters["weight"]
        one, other = [name for name, weight in weights.items() if weight]
        return self._baselines[f"greedy soup 2: {one}, after {other}"]

    def normalised(self, losses: np.ndarray) -> np.ndarray:
        """The same normalisation as in `RunResults`."""
        return normalised(losses, self._inputs)

    def fit(self) -> np.ndarray:
        """Fitted log length scales and log noise, shape (methods, objectives, features + 1)."""
        shape = len(self.space.methods), len(self.objectives)
        return np.array(
            [
                [self._fitted(m, i, slice(None)).scales for i in range(shape[1])]
                for m in range(shape[0])
            ]
        )

    def report(self) -> str:
        """The R² of a ten-fold cross-validation, per method and objective."""
        lines = [
            f"{len(self._scores)} points; R² of 10-fold cross-validation (R² of the better half)"
        ]
        mean = self.normalised(self._signed(self._scores)).mean(1)
        for m, method in enumerate(self.space.methods):
            mine = np.flatnonzero(self._methods == m)
            good = mean[mine] <= np.median(mean[mine])
            cells = []
            for i, objective in enumerate(self.objectives):
                predictions = self._cross_validated(m, i, len(mine))
                true = self._scores[mine, i]
                predicted = _from_scale(np.eye(len(USED))[i] * predictions[:, None])[:, i]
                all_r2, good_r2 = _r2(true, predicted), _r2(true[good], predicted[good])
                cells.append(f"{objective.name} {all_r2:.3f} ({good_r2:.3f})")
            lines.append(f"{method:16} {len(mine):5} points   " + "   ".join(cells))
        return "\n".join(lines)

    def _cross_validated(self, method: int, objective: int, count: int) -> np.ndarray:
        fold = np.random.default_rng(0).permutation(count) % FOLDS
        predictions = np.zeros(count)
        mine = np.flatnonzero(self._methods == method)
        for k in range(FOLDS):
            process = self._fitted(method, objective, fold != k)
            predictions[fold == k] = process.predict(self._features[mine[fold == k]])
        return predictions

    def _process(self, method: int, objective: int) -> GaussianProcess:
        if (method, objective) not in self._processes:
            self._processes[method, objective] = self._fitted(method, objective, slice(None))
        return self._processes[method, objective]

    def _fitted(self, method: int, objective: int, which: Any) -> GaussianProcess:
        mine = np.flatnonzero(self._methods == method)[which]
        scales = None if self._scales is None else self._scales[method, objective]
        return GaussianProcess(
            self._features[mine], _to_scale(self._scores[mine])[:, objective], scales
        )

    def _feature_row(self, params: Mapping[str, Any]) -> list[float]:
        """The features of a point: the same number for every method."""
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


def _to_scale(scores: np.ndarray) -> np.ndarray:
    """The logarithm of bits per byte; accuracies are unchanged."""
    return np.column_stack([np.log(scores[:, 0]), scores[:, 1:]])


def _from_scale(values: np.ndarray) -> np.ndarray:
    values = np.atleast_2d(values)
    found = np.column_stack([np.exp(values[:, 0]), np.clip(values[:, 1:], 0.0, 1.0)])
    return found[0] if len(found) == 1 else found


def _r2(true: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum())

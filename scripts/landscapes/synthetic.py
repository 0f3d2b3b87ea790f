"""Synthetic landscapes: a formula with the properties of merges, random per seed."""

from __future__ import annotations

import numpy as np

from scripts.landscapes.coefficients import coefficients
from search.ledger.trial import Proposal
from search.objectives import Objective, normalised
from search.space import Space, SpaceSettings
from workers.recipe import Source


class Synthetic:
    """A random instance of the formula.

    Each objective needs the task vector of one model, mostly in a few layers, with a weight that
    varies smoothly with depth. The task vectors of the other models reduce its score, but less
    for methods that elect signs and sparsify.
    """

    def __init__(self, seed: int, models: int, groups: int) -> None:
        names = [chr(ord("a") + i) for i in range(models)]
        settings = SpaceSettings.model_validate({"depth": {"groups": groups}})
        sources = {name: Source(f"/models/{name}") for name in names}
        methods = ("linear", "task_arithmetic", "ties", "dare_ties")
        self.space = Space(methods, sources, Source("/models/base"), groups, settings)
        self.objectives = [Objective.of(name, name, "score", "maximize") for name in names]
        random = np.random.default_rng(seed)
        shape = (models, groups)
        knots = random.uniform(0.5, 1.1, (models, 3))
        grid = np.linspace(0, 1, groups)
        self._best_weights = np.array([np.interp(grid, [0, 0.5, 1], row) for row in knots])
        self._importance = random.gamma(0.6, size=shape)
        self._importance /= self._importance.sum(1, keepdims=True)
        self._interference = random.uniform(0.2, 1.0, (models, models)) * (1 - np.eye(models))
        self._quality = random.uniform(0.85, 1.0, (len(methods), models))
        self._density = random.uniform(0.3, 0.8, models)
        base = self._losses("linear", np.zeros(shape).T, np.ones(models))
        experts = [
            self._losses("linear", np.eye(models)[[i] * groups], np.ones(models))
            for i in range(models)
        ]
        self._inputs = np.array([base, *experts])

    def losses(self, proposal: Proposal) -> np.ndarray:
        """The losses by the formula; base and models have fixed losses."""
        recipe = proposal.recipe
        if recipe.method == "passthrough":
            return self._inputs[(["base", *self.space.models]).index(next(iter(recipe.models)))]
        found = coefficients(recipe, self.space.n_layers)
        return self._losses(recipe.method, found["weights"], found["density"])

    def normalised(self, losses: np.ndarray) -> np.ndarray:
        """The same normalisation as in `RunResults`."""
        return normalised(losses, self._inputs)

    def _losses(self, method: str, weights: np.ndarray, density: np.ndarray) -> np.ndarray:
        """Minus the scores; weights have shape (layers, models)."""
        elected = method in ("ties", "dare_ties")
        noise = 0.5 if elected else 1.0
        own = (self._importance * (weights.T - self._best_weights) ** 2).sum(1)
        others = self._interference @ (self._importance * weights.T**2).sum(1) * noise
        density_error = ((density - self._density) ** 2).sum() if elected else 0.3
        quality = self._quality[self.space.methods.index(method)]
        return -quality * np.exp(-2.0 * own - 0.6 * others - 0.3 * density_error)

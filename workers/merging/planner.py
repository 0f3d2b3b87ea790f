"""Plans the kernel call of each tensor from a recipe, its method and the statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from workers.merging import masks
from workers.merging.kernel_call import KernelCall, kernel_call
from workers.merging.model_set import ModelSet
from workers.merging.recipe_statistics import RecipeStatistics
from workers.merging.rescale import match_l1
from workers.merging.statistics import BASE, Statistics, magnitudes
from workers.merging.tables import Floats
from workers.methods import METHODS, Bound, Pass

if TYPE_CHECKING:
    from workers.recipe import Recipe


class Planner:
    """Plans one recipe for the models of an engine.

    Raises:
        ValueError: if the recipe's models are not the engine's.
    """

    def __init__(
        self, model_set: ModelSet, statistics: Callable[[str], Statistics], recipe: Recipe
    ) -> None:
        _check(model_set, recipe)
        self.names = tuple(recipe.models)
        self._model_set = model_set
        self._statistics = statistics
        self._recipe = recipe
        self._method = METHODS[recipe.method]
        self._positions = tuple(
            None if name == BASE and model_set.has_base else model_set.models.index(name)
            for name in self.names
        )
        self._bound: dict[int, Bound] = {}

    def call(self, tensor: str) -> KernelCall:
        """The kernel call of one tensor."""
        recipe = self._recipe
        keys = [masks.key(recipe.seed, name, tensor) for name in self.names]
        found = match_l1(self.plan(tensor), keys, lambda j: self._delta(j, tensor))
        return kernel_call(found, keys)

    def plan(self, tensor: str) -> Pass:
        """The pass of one tensor, before task vectors are scaled to an L1 norm."""
        return self._method.plan(self._statistics_of(tensor), self._parameters(tensor))

    def models_read(self, call: KernelCall) -> list[str]:
        """The models that a kernel reads, in the order of its inputs."""
        return [BASE] * call.reads_base + [self.names[j] for j in call.members]

    def _parameters(self, tensor: str) -> Bound:
        given = self._recipe.parameters(tensor, self._model_set.reference.n_layers)
        if id(given) not in self._bound:  # the recipe keeps a group's parameters alive
            self._bound[id(given)] = self._method.bind(given, self.names)
        return self._bound[id(given)]

    def _statistics_of(self, tensor: str) -> RecipeStatistics:
        def within(position: int, low: float, high: float) -> Floats:
            pair = (BASE, self._model_set.models[position])
            base, model = (self._model_set.flat(name, tensor) for name in pair)
            found = [m[(m >= low) & (m < high)] for m in magnitudes(base, model, 1 << 20)]
            return np.concatenate([each.numpy() for each in found])

        return RecipeStatistics(
            self._statistics(tensor),
            self._positions,
            has_base=self._recipe.base is not None,
            compat=self._recipe.compat == "mergekit",
            statistics_have_base=self._model_set.has_base,
            within=within,
        )

    def _delta(self, j: int, tensor: str) -> tuple[Tensor, Tensor]:
        """Base and model j's tensor, flat."""
        return self._model_set.flat(BASE, tensor), self._model_set.flat(self.names[j], tensor)


def _check(model_set: ModelSet, recipe: Recipe) -> None:
    known = model_set.checkpoints
    required = dict(recipe.models) | ({BASE: recipe.base} if recipe.base else {})
    for name, source in required.items():
        if name not in known:
            raise ValueError(f"the recipe's model {name!r} is not among {', '.join(known)}")
        if source.fingerprint and source.fingerprint != known[name].fingerprint:
            raise ValueError(
                f"model {name!r}: the recipe was made for the content {source.fingerprint}, "
                f"but {known[name].path} is {known[name].fingerprint}"
            )

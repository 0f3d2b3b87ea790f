"""A recipe's work for each tensor: which method, with which numbers, on which statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from workers.merging import masks
from workers.merging.rescale import match_l1
from workers.merging.sources import Sources
from workers.merging.statistics import BASE, Facts, magnitudes
from workers.merging.tables import Floats
from workers.merging.view import RecipeView
from workers.merging.work import Work, work
from workers.methods import METHODS, Bound

if TYPE_CHECKING:
    from workers.recipe import Recipe


class Planner:
    """Plans one recipe over the models of an engine.

    Raises:
        ValueError: if the recipe's models are not the engine's.
    """

    def __init__(self, sources: Sources, facts: Callable[[str], Facts], recipe: Recipe) -> None:
        _check(sources, recipe)
        self.names = tuple(recipe.models)
        self._sources = sources
        self._facts = facts
        self._recipe = recipe
        self._method = METHODS[recipe.method]
        self._positions = tuple(
            None if name == BASE and sources.has_base else sources.models.index(name)
            for name in self.names
        )
        self._bound: dict[int, Bound] = {}

    def work(self, tensor: str) -> Work:
        """The pass of one tensor."""
        recipe = self._recipe
        keys = [masks.key(recipe.seed, name, tensor) for name in self.names]
        plan = self._method.plan(self._view(tensor), self._parameters(tensor))
        return work(match_l1(plan, keys, lambda j: self._delta(j, tensor)), keys)

    def read_for(self, each: Work) -> list[str]:
        """The models that a pass reads, in the order it wants them."""
        return [BASE] * each.reads_base + [self.names[j] for j in each.members]

    def _parameters(self, tensor: str) -> Bound:
        given = self._recipe.parameters(tensor, self._sources.reference.n_layers)
        if id(given) not in self._bound:  # a group's parameters, which the recipe keeps alive
            self._bound[id(given)] = self._method.bind(given, self.names)
        return self._bound[id(given)]

    def _view(self, tensor: str) -> RecipeView:
        def within(position: int, low: float, high: float) -> Floats:
            pair = (BASE, self._sources.models[position])
            base, model = (self._sources.flat(name, tensor) for name in pair)
            found = [m[(m >= low) & (m < high)] for m in magnitudes(base, model, 1 << 20)]
            return np.concatenate([each.numpy() for each in found])

        return RecipeView(
            self._facts(tensor),
            self._positions,
            has_base=self._recipe.base is not None,
            compat=self._recipe.compat == "mergekit",
            based=self._sources.has_base,
            within=within,
        )

    def _delta(self, j: int, tensor: str) -> tuple[Tensor, Tensor]:
        """Base and model j's tensor, flat."""
        return self._sources.flat(BASE, tensor), self._sources.flat(self.names[j], tensor)


def _check(sources: Sources, recipe: Recipe) -> None:
    known = sources.checkpoints
    wanted = dict(recipe.models) | ({BASE: recipe.base} if recipe.base else {})
    for name, source in wanted.items():
        if name not in known:
            raise ValueError(f"the recipe's model {name!r} is not among {', '.join(known)}")
        if source.fingerprint and source.fingerprint != known[name].fingerprint:
            raise ValueError(
                f"model {name!r}: the recipe was made for content {source.fingerprint}, "
                f"but {known[name].path} is {known[name].fingerprint}"
            )

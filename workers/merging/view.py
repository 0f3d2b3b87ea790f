"""A tensor's facts as a recipe's method asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.merging.statistics import Facts
from workers.merging.tables import Floats


@dataclass(frozen=True)
class RecipeView:
    """`workers.methods.TensorStatistics` of one tensor, for the models of one recipe."""

    facts: Facts
    positions: tuple[int | None, ...]
    """Of the recipe's models among the facts' models; None is the base itself."""
    has_base: bool
    compat: bool
    based: bool
    """Whether the facts have a base."""
    within: Callable[[int, float, float], Floats]
    """All magnitudes in a range of the task vector at a position."""

    @property
    def size(self) -> int:
        """Number of entries of the tensor."""
        return self.facts.size

    @property
    def n_models(self) -> int:
        """Number of models, the base not counted."""
        return len(self.positions)

    def gram(self) -> NDArray[np.float64]:
        """Dot products of the models' tensors."""
        if not self.based:
            return self._pick(self.facts.gram, offset=0)
        full = self.facts.gram
        with_base = np.array([0.0 if p is None else full[0, p + 1] for p in self.positions])
        squares: NDArray[np.float64] = full[0, 0] + with_base[:, None] + with_base[None, :]
        return squares + self.delta_gram()

    def delta_gram(self) -> NDArray[np.float64]:
        """Dot products of the task vectors; the base's own is 0."""
        return self._pick(self.facts.gram, offset=1)

    def l1(self) -> tuple[float, ...]:
        """L1 norm of each task vector."""
        return tuple(0.0 if p is None else self.facts.l1[p] for p in self.positions)

    def largest(self, ranks: Sequence[int]) -> tuple[float, ...]:
        """Magnitude of the ranks[j]-th largest entry of task vector j."""
        pairs = zip(self.positions, ranks, strict=True)
        return tuple(0.0 if p is None else self._largest(p, rank) for p, rank in pairs)

    def magnitude(self, density: Sequence[float]) -> tuple[float, ...]:
        """The least magnitude among the density[j] largest entries of each task vector."""
        ranks = [max(1, int(d * self.size)) for d in density]
        found = self.largest(ranks) if any(d < 1.0 for d in density) else (0.0,) * self.n_models
        return tuple(0.0 if d >= 1.0 else least for d, least in zip(density, found, strict=True))

    def _largest(self, position: int, rank: int) -> float:
        table = self.facts.tables[position]
        return table.largest(rank, lambda low, high: self.within(position, low, high))

    def _pick(self, gram: NDArray[np.float64], offset: int) -> NDArray[np.float64]:
        """The positions' rows and columns; those of the base are 0."""
        here = [i for i, p in enumerate(self.positions) if p is not None]
        there = [p + offset for p in self.positions if p is not None]
        picked = np.zeros((self.n_models, self.n_models))
        picked[np.ix_(here, here)] = gram[np.ix_(there, there)]
        return picked

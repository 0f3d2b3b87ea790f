"""A tensor's statistics for the models of one recipe, selected from those of all models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.merging.statistics import Statistics
from workers.merging.tables import Floats


@dataclass(frozen=True)
class RecipeStatistics:
    """`workers.methods.TensorStatistics` of one tensor, for the models of one recipe."""

    statistics: Statistics
    positions: tuple[int | None, ...]
    """The position of each of the recipe's models among all models; None for the base."""
    has_base: bool
    compat: bool
    statistics_have_base: bool
    within: Callable[[int, float, float], Floats]
    """All magnitudes in a range of the task vector at a position."""

    @property
    def size(self) -> int:
        """Number of entries of the tensor."""
        return self.statistics.size

    @property
    def n_models(self) -> int:
        """Number of models, not counting the base."""
        return len(self.positions)

    def gram(self) -> NDArray[np.float64]:
        """Dot products of the models' tensors."""
        if not self.statistics_have_base:
            return self._pick(self.statistics.gram, offset=0)
        full = self.statistics.gram
        with_base = np.array([0.0 if p is None else full[0, p + 1] for p in self.positions])
        squares: NDArray[np.float64] = full[0, 0] + with_base[:, None] + with_base[None, :]
        return squares + self.delta_gram()

    def delta_gram(self) -> NDArray[np.float64]:
        """Dot products of the task vectors; the base's own is 0."""
        return self._pick(self.statistics.gram, offset=1)

    def l1(self) -> tuple[float, ...]:
        """L1 norm of each task vector."""
        return tuple(0.0 if p is None else self.statistics.l1[p] for p in self.positions)

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
        table = self.statistics.tables[position]
        return table.largest(rank, lambda low, high: self.within(position, low, high))

    def _pick(self, gram: NDArray[np.float64], offset: int) -> NDArray[np.float64]:
        """The rows and columns of the recipe's models; those of the base are 0."""
        rows = [i for i, p in enumerate(self.positions) if p is not None]
        sources = [p + offset for p in self.positions if p is not None]
        picked = np.zeros((self.n_models, self.n_models))
        picked[np.ix_(rows, rows)] = gram[np.ix_(sources, sources)]
        return picked

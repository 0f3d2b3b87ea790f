"""The statistics of a tensor that a method may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TensorStatistics(Protocol):
    """One tensor's statistics over a recipe's models, in the recipe's order."""

    @property
    def size(self) -> int:
        """Number of entries of the tensor."""

    @property
    def n_models(self) -> int:
        """Number of models, not counting the base."""

    @property
    def has_base(self) -> bool:
        """Whether the recipe has a base, and so task vectors."""

    @property
    def compat(self) -> bool:
        """Whether to follow mergekit where it departs from the method's paper."""

    def gram(self) -> NDArray[np.float64]:
        """Dot products of the models' tensors, (n_models, n_models)."""

    def delta_gram(self) -> NDArray[np.float64]:
        """Dot products of the task vectors, (n_models, n_models)."""

    def l1(self) -> tuple[float, ...]:
        """L1 norm of each task vector."""

    def largest(self, ranks: Sequence[int]) -> tuple[float, ...]:
        """Magnitude of the ranks[j]-th largest entry of task vector j; 1 is the largest."""

    def magnitude(self, density: Sequence[float]) -> tuple[float, ...]:
        """The least magnitude among the density[j] largest entries of each task vector.

        These are `int(density * size)` entries, at least one; 0 if the density is 1.
        """

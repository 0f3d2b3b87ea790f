"""The search problem that a sampler is made for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

INPUT = "input"
"""User attribute of the trials of base and models: their objective values, once scored."""

ERRORS = "errors"
"""User attribute of trials whose values are estimates: the standard error of each."""

Blocks = Mapping[str, NDArray[np.float64]]
"""Name -> (n_points, n_features): features of the same kind."""
Features = Callable[[NDArray[np.float64], Mapping[str, NDArray[Any]]], Blocks]
"""Features of n points, from their numbers, shape (n_points, n_axes), and choices by axis."""


@dataclass(frozen=True)
class Problem:
    """What a sampler searches: axes, seed, and features and weights if there are any.

    Args:
        distributions: of every axis.
        seed: of the run.
        features: by which points compare better than by their axes; None: the axes.
        weights: of the objectives, to search for the best weighted mean; None searches for a front.
    """

    distributions: Mapping[str, BaseDistribution]
    seed: int
    features: Features | None = None
    weights: Sequence[float] | None = None

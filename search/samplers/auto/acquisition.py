"""How much a candidate is expected to improve the results, as a Gaussian process sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import qmc

if TYPE_CHECKING:
    from search.objectives import Losses

DRAWN, USED = 2048, 256  # points drawn to measure hypervolume with, and those of them used at most
DEPTH = 0.3  # by how much better than the best known loss an outcome is thought possible


def expected_improvement(
    expected: Losses, deviation: Losses, weights: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """How far each candidate's weighted mean loss is expected to fall below `best` (Mockus 1978).

    Args:
        expected: losses, shape (n_candidates, n_objectives).
        deviation: their standard deviations, independent of each other.
        weights: of the objectives; their sum is 1.
        best: weighted mean known so far.
    """
    mean = expected @ weights
    spread = np.sqrt((deviation * weights) ** 2 @ np.ones(len(weights)))
    u = (best - mean) / spread
    return np.asarray(spread * (u * ndtr(u) + np.exp(-0.5 * u**2) / np.sqrt(2.0 * np.pi)))


class HypervolumeGain:
    """Expected gain of hypervolume (Emmerich 2006), by quasi-random points below the reference.

    The gain is the integral, over all outcomes that the front does not dominate, of the probability
    that the candidate does. The points are the same for all candidates, so their order is fair.

    Args:
        front: non-dominated losses; the reference point is 1 in every objective.
        rng: of this ask.
    """

    def __init__(self, front: Losses, rng: np.random.Generator) -> None:
        low = front.min(0) - DEPTH
        points = qmc.Sobol(front.shape[1], rng=rng).random(DRAWN) * (1.0 - low) + low
        dominated = (front[:, None] <= points).all(2).any(0)
        self._points = points[~dominated][:USED]
        self._weights = rng.dirichlet(np.ones(front.shape[1]))

    def __call__(self, expected: Losses, deviation: Losses) -> NDArray[np.float64]:
        """Of each candidate, above 0; where none gains anything, a random weighting decides."""
        gain = np.ones((len(expected), len(self._points)))
        for mean, spread, points in zip(expected.T, deviation.T, self._points.T, strict=True):
            gain *= ndtr((points - mean[:, None]) / spread[:, None])
        hope = ((expected - deviation) * self._weights).max(1)
        return np.asarray(gain.mean(1) + 1e-6 * np.exp(-hope))

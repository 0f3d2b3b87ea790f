"""A small Gaussian process over a few hundred trials: milliseconds to fit, no state to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

if TYPE_CHECKING:
    from search.objectives import Losses
    from search.samplers.evolution.encoding import Rows

NOISE = 1e-3  # of losses with variance 1
SCALES = (0.5, 1.0, 2.0)  # length scales that are tried, in median distances between points


class Surrogate:
    """Matérn 5/2 Gaussian processes, one per objective with one kernel in common.

    Args:
        points: shape (n, n_features).
        losses: shape (n, n_objectives).
        scale: the kernel's length; None takes the likeliest of a few.
    """

    def __init__(self, points: Rows, losses: Losses, scale: float | None = None) -> None:
        self._points, self._losses = points, losses
        self._mean, deviation = losses.mean(0), losses.std(0)
        self._deviation = np.where(deviation > 0, deviation, 1.0)
        targets = (losses - self._mean) / self._deviation
        distances = _distances(points, points)
        typical = float(np.median(distances[np.triu_indices(len(points), 1)])) or 1.0
        scales = [scale] if scale else [factor * typical for factor in SCALES]
        fits = [self._fit(distances, targets, each) for each in scales]
        _, self._scale, self._root, self._weights = max(fits, key=lambda fit: fit[0])

    def believing(self, points: Rows) -> Surrogate:
        """The same, with these points scored just as it expects."""
        expected, _ = self.predict(points)
        return Surrogate(
            np.concatenate([self._points, points]),
            np.concatenate([self._losses, expected]),
            self._scale,
        )

    def predict(self, points: Rows) -> tuple[Losses, NDArray[np.float64]]:
        """Expected losses, and their standard deviations, both (n, n_objectives)."""
        kernel = _matern(_distances(points, self._points) / self._scale)
        expected = kernel @ self._weights * self._deviation + self._mean
        solved = solve_triangular(self._root, kernel.T, lower=True, check_finite=False)
        variance = np.maximum(1.0 + NOISE - (solved**2).sum(0), 1e-9)
        return expected, np.sqrt(variance)[:, None] * self._deviation

    @staticmethod
    def _fit(
        distances: Rows, targets: Losses, scale: float
    ) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
        """(log likelihood up to a constant, the scale, the kernel's Cholesky root, weights)."""
        kernel = _matern(distances / scale)
        kernel[np.diag_indices_from(kernel)] += NOISE
        root = cholesky(kernel, lower=True, check_finite=False)
        weights = cho_solve((root, True), targets, check_finite=False)
        fit = -0.5 * float((targets * weights).sum())
        size = targets.shape[1] * float(np.log(np.diag(root)).sum())
        return fit - size, scale, root, weights


def _distances(rows: Rows, others: Rows) -> NDArray[np.float64]:
    squares = (rows**2).sum(1)[:, None] + (others**2).sum(1) - 2.0 * rows @ others.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _matern(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = np.sqrt(5.0) * distances
    return np.asarray((1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled))

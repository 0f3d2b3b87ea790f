"""A Gaussian process with a length scale per feature."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize


class GaussianProcess:
    """A Gaussian process with a Matérn 5/2 kernel, a length scale per feature and noise.

    Args:
        points: shape (n, n_features).
        values: shape (n,).
        scales: log length scales, then log noise; None fits them by maximum likelihood.
    """

    def __init__(self, points: np.ndarray, values: np.ndarray, scales: np.ndarray | None) -> None:
        self._points = points
        self._mean, self._deviation = values.mean(), values.std() or 1.0
        targets = (values - self._mean) / self._deviation
        self.scales = self._fit(points, targets) if scales is None else scales
        kernel, _ = _kernel(points, points, self.scales)
        kernel[np.diag_indices_from(kernel)] += np.exp(self.scales[-1])
        self._weights = cho_solve(cho_factor(kernel, lower=True), targets)

    def predict(self, points: np.ndarray) -> np.ndarray:
        """The mean of the process at these points."""
        kernel, _ = _kernel(points, self._points, self.scales)
        return kernel @ self._weights * self._deviation + self._mean

    @staticmethod
    def _fit(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
        sample = np.random.default_rng(0).permutation(len(points))[:400]
        points, targets = points[sample], targets[sample]
        start = np.log(
            np.append(np.maximum(points.std(0), 1e-2) * 2 * points.shape[1] ** 0.5, 0.01)
        )
        found = minimize(
            _negative_log_likelihood, start, (points, targets), jac=True, method="L-BFGS-B",
            bounds=[(s - 3, s + 5) for s in start[:-1]] + [(-9.0, 0.0)], options={"maxiter": 40},
        )  # fmt: skip
        return found.x


def _kernel(
    rows: np.ndarray, others: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The kernel matrix, and the scaled distances."""
    a, b = rows / np.exp(scales[:-1]), others / np.exp(scales[:-1])
    squares = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0)
    r = np.sqrt(5 * squares)
    return (1 + r + r**2 / 3) * np.exp(-r), r


def _negative_log_likelihood(
    scales: np.ndarray, points: np.ndarray, targets: np.ndarray
) -> tuple[float, np.ndarray]:
    kernel, r = _kernel(points, points, scales)
    noise = np.exp(scales[-1])
    factor = cho_factor(kernel + noise * np.eye(len(points)), lower=True)
    weights = cho_solve(factor, targets)
    inverse = cho_solve(factor, np.eye(len(points)))
    difference = inverse - np.outer(weights, weights)
    slope = difference * (5 / 3) * (1 + r) * np.exp(-r)
    gradient = [
        0.5 * float((slope * np.subtract.outer(x, x) ** 2).sum()) / np.exp(2 * s)
        for x, s in zip(points.T, scales[:-1], strict=True)
    ]
    value = 0.5 * float(targets @ weights) + float(np.log(np.diag(factor[0])).sum())
    return value, np.array([*gradient, 0.5 * noise * float(np.trace(difference))])

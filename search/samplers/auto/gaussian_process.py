"""A Gaussian process that is fitted to a few hundred trials in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

if TYPE_CHECKING:
    from search.objectives import Losses

Array = NDArray[np.float64]
Blocks = Mapping[str, Array]
"""Name -> (n_points, n_features): features that share a length scale."""

LENGTH = (0.3, 1.0)  # mean and deviation of the normal prior of a log length scale
NOISE = (-6.0, 2.0)  # the same of the log noise variance, for losses of variance 1
BOUNDS, NOISE_BOUNDS = (-4.0, 4.0), (-12.0, 0.0)
STEPS = 12  # iterations of L-BFGS: the start is the fit of a few trials earlier


class GaussianProcess:
    """One Matérn 5/2 kernel for all objectives, with a length scale for each block of features.

    Args:
        blocks: of the points.
        losses: shape (n_points, n_objectives).
        scales: log length scale of each block, then the log noise variance (Rasmussen & Williams
            2006, chapter 5); `fitted_scales` gives them.
        noise: further variance of each point's losses, as `noise_of` gives it.
    """

    def __init__(self, blocks: Blocks, losses: Losses, scales: Array, noise: Array) -> None:
        self._blocks, self._losses, self._scales, self._noise = blocks, losses, scales, noise
        self._mean, self._deviation = _moments(losses)
        kernel = _matern(self._distances(blocks))
        kernel[np.diag_indices_from(kernel)] += np.exp(scales[-1]) + noise
        self._root = cholesky(kernel, lower=True, check_finite=False)
        targets = (losses - self._mean) / self._deviation
        self._weights = cho_solve((self._root, True), targets, check_finite=False)

    def predict(self, blocks: Blocks) -> tuple[Losses, Losses]:
        """Expected losses and their standard deviations, both (n_points, n_objectives)."""
        kernel = _matern(self._distances(blocks))
        expected = kernel @ self._weights * self._deviation + self._mean
        solved = solve_triangular(self._root, kernel.T, lower=True, check_finite=False)
        variance = np.maximum(1.0 - (solved**2).sum(0), 1e-9)
        return expected, np.sqrt(variance)[:, None] * self._deviation

    def with_pending(self, blocks: Blocks) -> GaussianProcess:
        """The same process, with more points scored exactly as it expects (Ginsbourger 2010)."""
        expected, _ = self.predict(blocks)
        both = {name: np.concatenate([self._blocks[name], blocks[name]]) for name in self._blocks}
        noise = np.append(self._noise, np.zeros(len(expected)))
        return GaussianProcess(both, np.concatenate([self._losses, expected]), self._scales, noise)

    def _distances(self, blocks: Blocks) -> Array:
        """Scaled distances between points and the points of the fit, shape (n_points, n_fit)."""
        return _root_of_sum(
            [_squares(blocks[name], mine) for name, mine in self._blocks.items()], self._scales
        )


def noise_of(losses: Losses, errors: Losses) -> Array:
    """The variance of each point's losses, as a share of that between the points.

    One kernel serves all objectives, so it is the mean over them.

    Args:
        losses: shape (n_points, n_objectives).
        errors: their standard errors.
    """
    _, deviation = _moments(losses)
    return np.asarray(((errors / deviation) ** 2).mean(1))


def fitted_scales(
    blocks: Blocks, losses: Losses, noise: Array, start: Array | None = None
) -> Array:
    """The most probable log length scales and log noise variance.

    Args:
        blocks: of the points.
        losses: shape (n_points, n_objectives).
        noise: further variance of each point's losses.
        start: of the search; None is the mean of the priors.
    """
    squares = [_squares(block, block) for block in blocks.values()]
    mean, deviation = _moments(losses)
    targets = (losses - mean) / deviation
    centre = np.array([LENGTH[0]] * len(squares) + [NOISE[0]])
    width = np.array([LENGTH[1]] * len(squares) + [NOISE[1]])

    def loss(scales: Array) -> tuple[float, Array]:
        value, gradient = _negative_log_likelihood(scales, squares, targets, known=noise)
        z = (scales - centre) / width
        return value + 0.5 * float(z @ z), gradient + z / width

    found = minimize(
        loss,
        centre if start is None else start,
        jac=True,
        method="L-BFGS-B",
        bounds=[BOUNDS] * len(squares) + [NOISE_BOUNDS],
        options={"maxiter": STEPS},
    )
    return np.asarray(found.x)


def _negative_log_likelihood(
    scales: Array, squares: list[Array], targets: Losses, known: Array
) -> tuple[float, Array]:
    """Up to a constant, with its gradient; summed over the objectives."""
    distance = np.sqrt(5.0) * _root_of_sum(squares, scales)
    decay = np.exp(-distance)
    kernel = (1.0 + distance + distance**2 / 3.0) * decay
    noise = float(np.exp(scales[-1]))
    kernel[np.diag_indices_from(kernel)] += noise + known
    root = cholesky(kernel, lower=True, check_finite=False)
    weights = cho_solve((root, True), targets, check_finite=False)
    inverse = cho_solve((root, True), np.eye(len(targets)), check_finite=False)
    pull = targets.shape[1] * inverse - weights @ weights.T
    slope = pull * (5.0 / 3.0) * (1.0 + distance) * decay  # per unit of a scaled square
    scaled = [each * np.exp(-2.0 * scale) for each, scale in zip(squares, scales, strict=False)]
    gradient = [0.5 * float((slope * each).sum()) for each in scaled]
    fit = 0.5 * float((targets * weights).sum())
    size = targets.shape[1] * float(np.log(np.diag(root)).sum())
    return fit + size, np.array([*gradient, 0.5 * noise * float(np.trace(pull))])


def _moments(losses: Losses) -> tuple[Array, Array]:
    deviation = losses.std(0)
    return losses.mean(0), np.where(deviation > 1e-12, deviation, 1.0)


def _root_of_sum(squares: list[Array], scales: Array) -> Array:
    terms = [each * np.exp(-2.0 * scale) for each, scale in zip(squares, scales, strict=False)]
    return np.asarray(np.sqrt(sum(terms)))


def _squares(rows: Array, others: Array) -> Array:
    found = (rows**2).sum(1)[:, None] + (others**2).sum(1) - 2.0 * rows @ others.T
    return np.asarray(np.maximum(found, 0.0))


def _matern(distances: Array) -> Array:
    scaled = np.sqrt(5.0) * distances
    return np.asarray((1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled))

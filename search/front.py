"""Dominance, hypervolume and picks. Losses throughout: lower is better in every column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]  # (n_trials, n_objectives)


def front(losses: Losses) -> NDArray[np.intp]:
    """Indices of the non-dominated rows of `losses`, in order; equal rows all stay."""
    no_worse = (losses[:, None] <= losses[None]).all(-1)  # [i, j]: i is no worse than j anywhere
    better = (losses[:, None] < losses[None]).any(-1)  # [i, j]: i is better than j somewhere
    return np.flatnonzero(~(no_worse & better).any(0))


def hypervolume(losses: Losses, reference: NDArray[np.float64]) -> float:
    """Volume that the rows of `losses` dominate below `reference`, shape (n_objectives,).

    By slicing along the last objective (Zitzler & Thiele 1998); exact for any number of
    objectives, quick enough for the fronts of a few hundred trials with up to four.
    """
    inside = losses[(losses < reference).all(-1)]
    if not len(inside):
        return 0.0
    if losses.shape[1] == 1:
        return float(reference[0] - inside.min())
    inside = inside[np.argsort(inside[:, -1], kind="stable")]
    heights = np.diff(np.append(inside[:, -1], reference[-1]))
    return float(
        sum(
            height * hypervolume(_kept(inside[: i + 1, :-1]), reference[:-1])
            for i, height in enumerate(heights)
            if height > 0
        )
    )


def normalised(losses: Losses, anchors: Losses) -> Losses:
    """`losses` on a scale where, per column, the best row of `anchors` is 0 and the worst 1.

    The anchors are the scores of the models that went in, so that objectives in different units
    can be compared. A column on which all anchors agree is only shifted.
    """
    best, worst = anchors.min(0), anchors.max(0)
    span = np.where(worst > best, worst - best, 1.0)
    return np.asarray((losses - best) / span, dtype=np.float64)


def knee(losses: Losses) -> int:
    """Index of the row nearest to the ideal point, in normalised losses.

    The ideal is the best value of each column among the rows: the front's own corner.
    """
    return int(np.argmin(np.linalg.norm(losses - losses.min(0), axis=1)))


def _kept(losses: Losses) -> Losses:
    return losses[front(losses)]

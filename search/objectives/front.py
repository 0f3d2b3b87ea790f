"""Dominance, crowding and the knee. Losses throughout: lower is better in every column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]  # (n_trials, n_objectives)

BLOCK = 512  # rows compared at once where there are three objectives and more


def front(losses: Losses) -> NDArray[np.intp]:
    """Indices of the non-dominated rows of `losses`, in order; equal rows all stay."""
    order = _order(losses)
    return np.sort(order[_undominated(losses[order])])


def ranks(losses: Losses, enough: int | None = None) -> NDArray[np.intp]:
    """Non-domination rank of every row: 0 on the front, 1 on the front of the rest, and so on.

    Once `enough` rows are ranked, the rest share the next rank (Deb 2002).
    """
    rank = np.zeros(len(losses), dtype=np.intp)
    left = _order(losses)
    level = 0
    while len(left) and (enough is None or len(losses) - len(left) < enough):
        on = _undominated(losses[left])
        rank[left[on]] = level
        left = left[~on]
        level += 1
    rank[left] = level
    return rank


def crowding(losses: Losses) -> NDArray[np.float64]:
    """Crowding distance of each row among rows of one rank; extremes are infinite (Deb 2002)."""
    distance = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
        distance[order[[0, -1]]] = np.inf
    return distance


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

    The ideal point has the best value of each column among the rows.
    """
    return int(np.argmin(np.linalg.norm(losses - losses.min(0), axis=1)))


def _order(losses: Losses) -> NDArray[np.intp]:
    """Sorts the rows by the first column, then the second, and so on."""
    return np.asarray(np.lexsort(losses.T[::-1]))


def _undominated(rows: Losses) -> NDArray[np.bool_]:
    """Which of the sorted rows are on the front."""
    is_new = np.append(True, (rows[1:] != rows[:-1]).any(1))[: len(rows)]
    unique = rows[is_new]
    kept = _front_of_two(unique) if rows.shape[1] <= 2 else _front_by_blocks(unique)
    return np.asarray(kept[np.cumsum(is_new) - 1])


def _front_of_two(rows: Losses) -> NDArray[np.bool_]:
    """Which of the unique sorted rows of one or two columns are on the front.

    With the first column rising, a row is dominated exactly if an earlier one's last is as low.
    """
    last = rows[:, -1]
    lowest_before = np.append(np.inf, np.minimum.accumulate(last)[:-1])
    return np.asarray(last < lowest_before, dtype=np.bool_)


def _front_by_blocks(rows: Losses) -> NDArray[np.bool_]:
    """Which of the unique sorted rows are on the front.

    A row can be dominated only by an earlier one, and if so by one on the front, so each block is
    compared with the front so far and with itself: memory is a block times the front.
    """
    kept = np.zeros(len(rows), dtype=np.bool_)
    found = rows[:0]
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        alive = np.flatnonzero(~_no_worse(block, found).any(1))
        earlier = np.tri(len(alive), k=-1, dtype=np.bool_)  # [i, j]: j comes before i
        alive = alive[~(_no_worse(block[alive], block[alive]) & earlier).any(1)]
        kept[start + alive] = True
        found = np.concatenate([found, block[alive]])
    return kept


def _no_worse(rows: Losses, than: Losses) -> NDArray[np.bool_]:
    """[i, j]: whether `than[j]` is no worse than `rows[i]`; both are sorted by the first column."""
    found = np.ones((len(rows), len(than)), dtype=np.bool_)
    for column in range(1, rows.shape[1]):
        found &= than[:, column] <= rows[:, column, None]
    return found

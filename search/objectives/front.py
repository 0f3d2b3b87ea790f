"""Dominance, hypervolume and picks. Losses throughout: lower is better in every column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Losses = NDArray[np.float64]  # (n_trials, n_objectives)

MARGIN = 0.1  # of a span, by which a reference point lies behind the worst that counts
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


def hypervolume(losses: Losses, reference: NDArray[np.float64]) -> float:
    """Volume that the rows of `losses` dominate below `reference`, shape (n_objectives,).

    Exact for any number of objectives. With up to four it takes n sweeps over a grid of at most
    n × n cells; each objective more is sliced along (Zitzler & Thiele 1998), n times the work.
    """
    inside = _kept(losses[(losses < reference).all(-1)])
    columns = losses.shape[1]
    if not len(inside):
        return 0.0
    if columns == 1:
        return float(reference[0] - inside.min())
    if columns == 2:
        return _area(np.unique(inside, axis=0), reference)
    inside = inside[np.argsort(inside[:, -1], kind="stable")]
    thickness = np.diff(np.append(inside[:, -1], reference[-1]))
    rows, corner = inside[:, :-1], reference[:-1]
    if columns > 4:
        slices = [hypervolume(rows[: i + 1], corner) for i in range(len(rows))]
    else:
        slices = _grown(rows, corner)
    return float(thickness @ slices)


def corner_of(losses: Losses) -> NDArray[np.float64]:
    """A point just behind the worst of the front: what lies beyond it is not worth telling apart.

    Behind it by a share of the front's span, so that the ends of the front count too. A front
    without a span (any of one objective) has the better half of all losses to itself, or, where
    that is all one value, all of them. So the corner moves with the unit of each objective.
    """
    kept = _kept(losses)
    candidates = [
        MARGIN * np.ptp(kept, axis=0),
        np.median(losses, axis=0) - losses.min(0),
        np.ptp(losses, axis=0),
    ]
    behind = np.select([each > 0 for each in candidates], candidates, 1.0)
    return np.asarray(kept.max(0) + behind)


def volumes(losses: Losses, reference: NDArray[np.float64]) -> list[float]:
    """The hypervolume after each row of `losses`; only a row that enters the front costs time.

    What it adds is its own box without what the others take of that (While 2012): few of those
    count, as a rule, once they are cut off at the box.
    """
    found: list[float] = []
    kept, volume = losses[:0], 0.0
    for row in losses:
        if (row < reference).all() and not (kept <= row).all(1).any():
            shared = hypervolume(np.maximum(kept, row), reference)
            volume += max(float(np.prod(reference - row)) - shared, 0.0)
            kept = _kept(np.concatenate([kept, row[None]]))
        found.append(volume)
    return found


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
    return losses[front(losses)] if len(losses) else losses


def _order(losses: Losses) -> NDArray[np.intp]:
    """Sorts the rows by the first column, then the second, and so on."""
    return np.asarray(np.lexsort(losses.T[::-1]))


def _undominated(rows: Losses) -> NDArray[np.bool_]:
    """Which of the sorted rows are on the front."""
    is_new = np.append(True, (rows[1:] != rows[:-1]).any(1))[: len(rows)]
    unique = rows[is_new]
    kept = _sweep(unique) if rows.shape[1] <= 2 else _blocked(unique)
    return np.asarray(kept[np.cumsum(is_new) - 1])


def _area(stairs: Losses, reference: NDArray[np.float64]) -> float:
    """Under a front of two objectives, sorted by the first: one rectangle a step."""
    widths = reference[0] - stairs[:, 0]
    heights = np.append(reference[1], stairs[:-1, 1]) - stairs[:, 1]
    return float(widths @ heights)


def _grown(rows: Losses, reference: NDArray[np.float64]) -> list[float]:
    """The hypervolume of the first, the first two, ... of rows of two or three objectives.

    Over a grid of the first objectives, whose lines go through the rows, a roof in the last one
    sinks to each row that comes, wherever that row is as good.
    """
    rows = rows if rows.shape[1] == 3 else np.insert(rows, 0, 0.0, axis=1)
    reference = reference if len(reference) == 3 else np.insert(reference, 0, 1.0)
    lines = [np.unique(column) for column in rows.T[:2]]
    widths, depths = (np.diff(np.append(x, end)) for x, end in zip(lines, reference, strict=False))
    roof = np.full((len(widths), len(depths)), reference[2])
    volume, found = 0.0, []
    for x, y, z in rows:
        i, j = np.searchsorted(lines[0], x), np.searchsorted(lines[1], y)
        # the roof falls along both lines, so only cells up to these ends lie above the row
        k = i + np.count_nonzero(roof[i:, j] > z)
        m = j + np.count_nonzero(roof[i, j:] > z)
        cells = roof[i:k, j:m]
        volume += float(widths[i:k] @ np.maximum(cells - z, 0.0) @ depths[j:m])
        np.minimum(cells, z, out=cells)
        found.append(volume)
    return found


def _sweep(rows: Losses) -> NDArray[np.bool_]:
    """Which of the unique sorted rows of one or two columns are on the front.

    With the first column rising, a row is dominated exactly if an earlier one's last is as low.
    """
    last = rows[:, -1]
    lowest_before = np.append(np.inf, np.minimum.accumulate(last)[:-1])
    return np.asarray(last < lowest_before, dtype=np.bool_)


def _blocked(rows: Losses) -> NDArray[np.bool_]:
    """Which of the unique sorted rows are on the front.

    A row can be dominated only by an earlier one, and if so by one on the front, so each block is
    compared with the front so far and with itself: memory is a block times the front.
    """
    kept = np.zeros(len(rows), dtype=np.bool_)
    found = rows[:0]
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        alive = np.flatnonzero(~_beaten(block, found))
        earlier = np.tri(len(alive), k=-1, dtype=np.bool_)  # [i, j]: j comes before i
        alive = alive[~(_no_worse(block[alive], block[alive]) & earlier).any(1)]
        kept[start + alive] = True
        found = np.concatenate([found, block[alive]])
    return kept


def _beaten(block: Losses, by: Losses) -> NDArray[np.bool_]:
    return np.asarray(_no_worse(block, by).any(1), dtype=np.bool_)


def _no_worse(rows: Losses, than: Losses) -> NDArray[np.bool_]:
    """[i, j]: row j of `than` is as good as row i everywhere, their first column being sorted."""
    found = np.ones((len(rows), len(than)), dtype=np.bool_)
    for column in range(1, rows.shape[1]):
        found &= than[:, column] <= rows[:, column, None]
    return found

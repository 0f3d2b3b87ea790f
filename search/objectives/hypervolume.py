"""Hypervolume and its reference point. Losses throughout: lower is better in every column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.objectives.front import Losses, front

MARGIN = 0.1  # of a span, by which a reference point lies behind the worst that counts
EXACT = 5  # objectives up to which a course of volumes is exact: it takes minutes with seven
SAMPLES = 4000  # points of an estimate: its standard error is about 2 % of the volume


def hypervolume(losses: Losses, reference: NDArray[np.float64]) -> float:
    """Volume that the rows of `losses` dominate below `reference`, shape (n_objectives,).

    Exact for any number of objectives. With up to four it takes n sweeps over a grid of at most
    n × n cells; each further objective is cut into n slices (Zitzler & Thiele 1998).
    """
    inside = _front_of(losses[(losses < reference).all(-1)])
    columns = losses.shape[1]
    if not len(inside):
        return 0.0
    if columns == 1:
        return float(reference[0] - inside.min())
    if columns == 2:
        return _area(np.unique(inside, axis=0), reference)
    inside = inside[np.argsort(inside[:, -1], kind="stable")]
    thickness = np.diff(np.append(inside[:, -1], reference[-1]))
    rows, point = inside[:, :-1], reference[:-1]
    if columns > 4:
        slices = [hypervolume(rows[: i + 1], point) for i in range(len(rows))]
    else:
        slices = _volumes_of_prefixes(rows, point)
    return float(thickness @ slices)


def volumes(losses: Losses, reference: NDArray[np.float64]) -> list[float]:
    """The hypervolume after each row of `losses`; only a row that enters the front costs time.

    It adds its own box less the part that other rows dominate (While 2012); limited to the box,
    few of the other rows usually remain. With more than `EXACT` objectives it is an estimate.
    """
    if losses.shape[1] > EXACT:
        return _estimated_volumes(losses, reference)
    found: list[float] = []
    on_front, volume = losses[:0], 0.0
    for row in losses:
        if (row < reference).all() and not (on_front <= row).all(1).any():
            shared = hypervolume(np.maximum(on_front, row), reference)
            volume += max(float(np.prod(reference - row)) - shared, 0.0)
            on_front = _front_of(np.concatenate([on_front, row[None]]))
        found.append(volume)
    return found


def reference_point(losses: Losses) -> NDArray[np.float64]:
    """A point just behind the worst of the front; losses beyond it need not be compared.

    It lies behind the front by a share of the front's span, so that the ends of the front count
    too. Where the front has no span (always with one objective), the distance is that from the
    best to the median of all losses or, if that is 0, their span. So it scales with the unit of
    each objective.
    """
    on_front = _front_of(losses)
    candidates = [
        MARGIN * np.ptp(on_front, axis=0),
        np.median(losses, axis=0) - losses.min(0),
        np.ptp(losses, axis=0),
    ]
    behind = np.select([each > 0 for each in candidates], candidates, 1.0)
    return np.asarray(on_front.max(0) + behind)


def _estimated_volumes(losses: Losses, reference: NDArray[np.float64]) -> list[float]:
    """The hypervolume after each row, from random points in the boxes that the rows dominate.

    A point in `n` boxes counts `1/n`, and belongs to the first row that dominates it (Bringmann &
    Friedrich 2010). The points are the same in each call.
    """
    is_inside = (losses < reference).all(1)
    rows, added = losses[is_inside], np.zeros(len(losses))
    if len(rows):
        random, sides = np.random.default_rng(0), reference - rows
        boxes = sides.prod(1)
        chosen = random.choice(len(rows), SAMPLES, p=boxes / boxes.sum())
        points = rows[chosen] + random.random((SAMPLES, rows.shape[1])) * sides[chosen]
        is_in = np.ones((SAMPLES, len(rows)), dtype=np.bool_)  # [i, j]: point i is in box j
        for column in range(rows.shape[1]):
            is_in &= rows[:, column] <= points[:, column, None]
        weights = boxes.sum() / SAMPLES / is_in.sum(1)
        added[is_inside] = np.bincount(is_in.argmax(1), weights, len(rows))
    return [float(volume) for volume in np.cumsum(added)]


def _front_of(losses: Losses) -> Losses:
    return losses[front(losses)] if len(losses) else losses


def _area(stairs: Losses, reference: NDArray[np.float64]) -> float:
    """The area under a front of two objectives, sorted by the first: one rectangle a step."""
    widths = reference[0] - stairs[:, 0]
    heights = np.append(reference[1], stairs[:-1, 1]) - stairs[:, 1]
    return float(widths @ heights)


def _volumes_of_prefixes(rows: Losses, reference: NDArray[np.float64]) -> list[float]:
    """The hypervolume of the first, the first two, ... of rows of two or three objectives.

    The first objectives span a grid whose lines go through the rows. Each cell has a height in the
    last objective, which each new row lowers wherever the row is at least as good.
    """
    rows = rows if rows.shape[1] == 3 else np.insert(rows, 0, 0.0, axis=1)
    reference = reference if len(reference) == 3 else np.insert(reference, 0, 1.0)
    lines = [np.unique(column) for column in rows.T[:2]]
    widths, depths = (np.diff(np.append(x, end)) for x, end in zip(lines, reference, strict=False))
    heights = np.full((len(widths), len(depths)), reference[2])
    volume, found = 0.0, []
    for x, y, z in rows:
        i, j = np.searchsorted(lines[0], x), np.searchsorted(lines[1], y)
        # heights fall along both lines, so only cells up to these ends are above the row
        k = i + np.count_nonzero(heights[i:, j] > z)
        m = j + np.count_nonzero(heights[i, j:] > z)
        cells = heights[i:k, j:m]
        volume += float(widths[i:k] @ np.maximum(cells - z, 0.0) @ depths[j:m])
        np.minimum(cells, z, out=cells)
        found.append(volume)
    return found

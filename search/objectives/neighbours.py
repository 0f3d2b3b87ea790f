"""Which points of a front are neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from search.objectives.front import Losses


def neighbours(losses: Losses) -> list[tuple[int, int]]:
    """Pairs of rows that lie side by side, the farthest apart first: where a front is sparsest.

    They are the edges of the minimum spanning tree (Prim 1957), so there is one pair fewer than
    rows; with two objectives each row is paired with the next along the front.

    Args:
        losses: of the points, normalised, shape (n_points, n_objectives).
    """
    found: list[tuple[float, int, int]] = []
    nearest = np.zeros(len(losses), dtype=np.intp)  # the row of the tree that is nearest to each
    distance = np.full(len(losses), np.inf)
    outside = np.ones(len(losses), dtype=np.bool_)
    row = 0
    for _ in range(len(losses) - 1):
        outside[row] = False
        apart = np.linalg.norm(losses - losses[row], axis=1)
        nearest[apart < distance] = row
        distance = np.minimum(distance, apart)
        row = int(np.argmin(np.where(outside, distance, np.inf)))
        found.append((float(distance[row]), int(nearest[row]), row))
    return [(min(a, b), max(a, b)) for _, a, b in sorted(found, key=lambda each: -each[0])]

"""Few members of a front that dominate as much as many do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.objectives.front import Losses


def covering(members: Losses, others: Losses, count: int) -> NDArray[np.intp]:
    """Indices of the members that together dominate most of the others, the most useful first.

    Greedy: each member counts those it dominates, half as much for each time that one chosen
    before dominates them too.

    Args:
        members: of the front, shape (n_members, n_objectives).
        others: shape (n_others, n_objectives).
        count: of members to choose.
    """
    beats = np.ones((len(members), len(others)), dtype=np.bool_)
    for column in range(members.shape[1]):
        beats &= members[:, None, column] <= others[None, :, column]
    left = np.ones(len(members), dtype=np.bool_)
    weights = np.ones(len(others))
    chosen: list[int] = []
    for _ in range(min(count, len(members))):
        best = int(np.argmax(np.where(left, beats @ weights, -1.0)))
        chosen.append(best)
        left[best] = False
        weights = np.where(beats[best], weights / 2, weights)
    return np.array(chosen, dtype=np.intp)

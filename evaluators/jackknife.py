"""How the documents change a score of any kind, by leaving some of them out (Efron 1982)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BLOCKS = 100  # of documents, of which one at a time is left out


def block_influences(size: int, without: Callable[[range], float]) -> NDArray[np.float64]:
    """The influence of each of up to 100 blocks of documents on a score, with mean 0.

    Args:
        size: number of documents.
        without: the score without these documents, counted from 0.
    """
    blocks = min(size, BLOCKS)
    if blocks < 2:
        return np.zeros(blocks)
    rest = np.array([without(range(i, size, blocks)) for i in range(blocks)])
    return np.asarray((blocks - 1) * (rest.mean() - rest), np.float64)

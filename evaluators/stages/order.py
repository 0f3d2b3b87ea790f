"""The order in which the documents of a task are scored: every beginning of it is a fair sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRATA = 8


def stratified_order(difficulty: NDArray[np.float64], seed: list[int]) -> NDArray[np.intp]:
    """A random order in which every prefix has its share of easy and of difficult documents.

    The documents are cut into strata of equal size by their difficulty, put into a random order
    inside each, and drawn from all strata in turn. A prefix is then a stratified sample with
    proportional allocation, whose mean varies less than that of a simple random one (Cochran
    1977, chapter 5).

    Args:
        difficulty: of each document: the mean score of the input models.
        seed: of the random numbers.
    """
    rng, n = np.random.default_rng(seed), len(difficulty)
    ranked = np.lexsort((rng.random(n), difficulty))  # equal ones in a random order
    turns = np.empty(n)
    for stratum in np.array_split(ranked, min(STRATA, n)):
        turns[stratum] = (rng.permutation(len(stratum)) + rng.random()) / max(1, len(stratum))
    return np.argsort(turns, kind="stable")

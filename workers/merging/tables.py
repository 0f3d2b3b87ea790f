"""Magnitude tables: how many entries of a task vector have at least a given magnitude.

A bf16 tensor of millions of entries has only some ten thousand distinct magnitudes, so a table of
all of them with counts is exact and small. A float32 tensor has nearly as many as entries; then the
table counts ranges of magnitudes, and a lookup reads the tensor again to find the entry within its
range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXACT = 1 << 16
"""The largest number of distinct magnitudes that a table lists one by one."""
SHIFT = 14
"""Low bits of a float32 that a range of magnitudes ignores."""

Floats = NDArray[np.float32]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class MagnitudeTable:
    """Magnitudes in descending order, each with the number of entries that are at least as large.

    Where it is not exact, a value is the least magnitude of its range.
    """

    values: Floats
    at_least: Counts
    exact: bool

    def largest(self, rank: int, within: Callable[[float, float], Floats]) -> float:
        """The magnitude of the rank-th largest entry; 1 is the largest.

        Args:
            rank: from 1 to the number of entries.
            within: all magnitudes of the task vector from its first argument (inclusive) to its
                second (exclusive); called only if the table is not exact.
        """
        i = int(np.searchsorted(self.at_least, rank))
        low = self.values[i]
        if self.exact:
            return float(low)
        high = (low.reshape(1).view(np.int32) + (1 << SHIFT)).view(np.float32)[0]
        above = int(self.at_least[i - 1]) if i else 0
        return float(np.sort(within(float(low), float(high)))[::-1][rank - above - 1])


def build_table(chunks: Iterable[Floats]) -> MagnitudeTable:
    """The table of a task vector's magnitudes, given in chunks in any order."""
    values, counts = np.empty(0, np.float32), np.empty(0, np.int64)
    exact = True
    for chunk in chunks:
        found, times = _distinct(np.sort(chunk if exact else _lower_ends(chunk)))
        values, counts = _merged(values, counts, found, times)
        if exact and len(values) > EXACT:
            exact = False
            values, counts = _merged(_lower_ends(values), counts)
    return MagnitudeTable(values[::-1].copy(), np.cumsum(counts[::-1]), exact)


def _lower_ends(values: Floats) -> Floats:
    return (values.view(np.int32) >> SHIFT << SHIFT).view(np.float32)


def _distinct(ordered: Floats) -> tuple[Floats, Counts]:
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return ordered[first], np.diff(np.append(first, len(ordered)))


def _merged(*tables: NDArray[np.generic]) -> tuple[Floats, Counts]:
    """The sum of tables given as values, counts, values, counts...; ascending order."""
    values = np.concatenate(tables[::2])
    counts = np.concatenate(tables[1::2])
    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order]
    first = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    return values[first], np.add.reduceat(counts, first)

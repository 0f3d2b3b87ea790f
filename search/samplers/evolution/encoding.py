"""Points of a space as rows of numbers: ranges on [0, 1], choices by their position."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)

from search.space.axis import family

Rows = NDArray[np.float64]  # (n_points, n_axes)


class Encoding:
    """How the points of one space are written as rows.

    Args:
        distributions: of every axis, in the order of the columns.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._columns = [_column(name, each) for name, each in distributions.items()]
        sizes = [column.n_choices for column in self._columns]
        self.n_choices: NDArray[np.intp] = np.array(sizes, dtype=np.intp)
        """Of each column; 0 for a range."""
        self.is_choice = self.n_choices > 0
        names = list(dict.fromkeys(map(family, distributions)))
        self.families: NDArray[np.intp] = np.array([names.index(family(n)) for n in distributions])
        """Of each column: equal where columns differ by depth or module class only."""

    def __len__(self) -> int:
        return len(self._columns)

    def row(self, params: Mapping[str, Any]) -> Rows:
        """The row of one point, shape (n_axes,)."""
        return np.array([column.encode(params[column.name]) for column in self._columns])

    def params(self, row: Rows) -> dict[str, Any]:
        """The point of one row."""
        pairs = zip(self._columns, row.tolist(), strict=True)
        return {column.name: column.decode(value) for column, value in pairs}

    def features(self, rows: Rows) -> Rows:
        """The rows with choices one-hot: two points that differ in one are 1 apart in it."""
        parts = [rows[:, ~self.is_choice]]
        for column in np.flatnonzero(self.is_choice):
            hot = rows[:, column, None] == np.arange(self.n_choices[column])
            parts.append(hot / math.sqrt(2.0))
        return np.concatenate(parts, axis=1)


class _Range:
    n_choices = 0

    def __init__(self, name: str, distribution: FloatDistribution) -> None:
        self.name = name
        self._low, self._high = distribution.low, distribution.high
        self._is_log = distribution.log
        ends = (self._low, self._high)
        self._start, end = map(math.log, ends) if self._is_log else ends
        self._span = end - self._start

    def encode(self, value: float) -> float:
        return ((math.log(value) if self._is_log else value) - self._start) / self._span

    def decode(self, unit: float) -> float:
        value = self._start + unit * self._span
        value = math.exp(value) if self._is_log else value
        return min(max(value, self._low), self._high)


class _Choice:
    def __init__(self, name: str, distribution: CategoricalDistribution) -> None:
        self.name = name
        self._choices = distribution.choices
        self.n_choices = len(self._choices)

    def encode(self, value: Any) -> float:
        return float(self._choices.index(value))

    def decode(self, position: float) -> Any:
        return self._choices[int(position)]


def _column(name: str, distribution: BaseDistribution) -> _Range | _Choice:
    if isinstance(distribution, FloatDistribution):
        return _Range(name, distribution)
    assert isinstance(distribution, CategoricalDistribution)
    return _Choice(name, distribution)

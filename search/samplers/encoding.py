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

from search.space import name_without_position

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
        self._starts, self._spans = np.array([(each.start, each.span) for each in self._columns]).T
        self._is_log = np.array([each.is_log for each in self._columns], dtype=np.bool_)
        names = list(dict.fromkeys(map(name_without_position, distributions)))
        self.families: NDArray[np.intp] = np.array(
            [names.index(name_without_position(n)) for n in distributions]
        )
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

    def decoded(self, rows: Rows) -> tuple[Rows, dict[str, NDArray[Any]]]:
        """The numbers of many points, shape (n_points, n_axes), and their choices by axis."""
        numbers = self._starts + rows * self._spans
        numbers[:, self._is_log] = np.exp(numbers[:, self._is_log])
        choices = {
            column.name: np.array(column.choices)[rows[:, i].astype(np.intp)]
            for i, column in enumerate(self._columns)
            if isinstance(column, _Choice)
        }
        return numbers, choices

    def blocks(self, rows: Rows) -> dict[str, Rows]:
        """Features of the axes themselves: two points that differ in one choice are 1 apart."""
        found = {"numbers": rows[:, ~self.is_choice]} if (~self.is_choice).any() else {}
        for column in np.flatnonzero(self.is_choice):
            hot = rows[:, column, None] == np.arange(self.n_choices[column])
            found[self._columns[column].name] = hot / math.sqrt(2.0)
        return found


class _Range:
    n_choices = 0

    def __init__(self, name: str, distribution: FloatDistribution) -> None:
        self.name = name
        self._low, self._high = distribution.low, distribution.high
        self.is_log = distribution.log
        ends = (self._low, self._high)
        self.start, end = map(math.log, ends) if self.is_log else ends
        self.span = end - self.start

    def encode(self, value: float) -> float:
        return ((math.log(value) if self.is_log else value) - self.start) / self.span

    def decode(self, unit: float) -> float:
        value = self.start + unit * self.span
        value = math.exp(value) if self.is_log else value
        return min(max(value, self._low), self._high)


class _Choice:
    start, span, is_log = 0.0, 1.0, False  # its numbers are positions

    def __init__(self, name: str, distribution: CategoricalDistribution) -> None:
        self.name = name
        self.choices = distribution.choices
        self.n_choices = len(self.choices)

    def encode(self, value: Any) -> float:
        return float(self.choices.index(value))

    def decode(self, position: float) -> Any:
        return self.choices[int(position)]


def _column(name: str, distribution: BaseDistribution) -> _Range | _Choice:
    if isinstance(distribution, FloatDistribution):
        return _Range(name, distribution)
    assert isinstance(distribution, CategoricalDistribution)
    return _Choice(name, distribution)

"""What a space is to search: how many parameters, their ranges, and the trials they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from search.space.axis import owner

if TYPE_CHECKING:
    from search.space.axis import Axis

# A rule of thumb. The measured landscape of docs/samplers.md has 17 parameters, and so asks for 85
# trials: there auto and evolution gain all the way from 25 to 100, and random hardly anything.
PER_AXIS = 5


@dataclass(frozen=True)
class Preview:
    """Axes of one parameter, taken together."""

    parameter: str
    count: int
    values: str
    """Their range, or their choices."""


def preview(axes: dict[str, Axis]) -> list[Preview]:
    """One line for each parameter of the space."""
    return [
        Preview(name, len(some), " or ".join(sorted({_values(axis) for axis in some})))
        for name, some in _by_parameter(axes)
    ]


def trials_wanted(axes: dict[str, Axis]) -> int:
    """Trials beside the first ones that so many parameters ask for, by a rule of thumb."""
    return PER_AXIS * len(axes)


def _by_parameter(axes: dict[str, Axis]) -> Iterator[tuple[str, list[Axis]]]:
    for name, some in groupby(axes.values(), lambda axis: owner(axis.name)[0]):
        yield name, list(some)


def _values(axis: Axis) -> str:
    if axis.choices:
        return ", ".join(str(each) for each in axis.choices)
    return f"{axis.low:g} to {axis.high:g}" + (", log" if axis.log else "")

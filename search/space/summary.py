"""A space in short: its parameters with their ranges, and the recommended number of trials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from search.space.axis import parameter_and_model

if TYPE_CHECKING:
    from search.space.axis import Axis

# A rule of thumb: in docs/samplers.md, `auto` still gains up to about so many trials.
PER_AXIS = 5


@dataclass(frozen=True)
class ParameterSummary:
    """All axes of one parameter."""

    parameter: str
    n_axes: int
    values: str
    """Their ranges or choices."""


def parameter_summaries(axes: dict[str, Axis]) -> list[ParameterSummary]:
    """One summary for each parameter of the space."""
    return [
        ParameterSummary(name, len(some), " or ".join(sorted({_values(axis) for axis in some})))
        for name, some in _by_parameter(axes)
    ]


def recommended_trials(axes: dict[str, Axis]) -> int:
    """A rule of thumb for the number of trials besides the baselines."""
    return PER_AXIS * len(axes)


def _by_parameter(axes: dict[str, Axis]) -> Iterator[tuple[str, list[Axis]]]:
    for name, some in groupby(axes.values(), lambda axis: parameter_and_model(axis.name)[0]):
        yield name, list(some)


def _values(axis: Axis) -> str:
    if axis.choices:
        return ", ".join(str(each) for each in axis.choices)
    return f"{axis.low:g} to {axis.high:g}" + (", log" if axis.log else "")

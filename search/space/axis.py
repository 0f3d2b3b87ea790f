"""One dimension of the search space."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


def name_without_position(name: str) -> str:
    """The name of an axis without module class and depth.

    >>> name_without_position("weight[reverse].mlp.2")
    'weight[reverse]'
    """
    return name.partition(".")[0]


def parameter_and_model(name: str) -> tuple[str, str]:
    """The parameter of an axis, and its model, which is empty if all models share the value.

    >>> parameter_and_model("weight[reverse].mlp.2")
    ('weight', 'reverse')
    """
    parameter, _, model = name_without_position(name).rstrip("]").partition("[")
    return parameter, model


@dataclass(frozen=True)
class Axis:
    """A range of numbers on a linear or log scale, or a set of choices."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str | bool, ...] = ()

    @property
    def centre(self) -> float | str | bool:
        """The value for a point whose method does not use this axis."""
        if self.choices:
            return self.choices[0]
        return float((self.low * self.high) ** 0.5 if self.log else (self.low + self.high) / 2)

    def at(self, share: float) -> float:
        """The number at a share of the range, on its scale: 0 is its low end, 1 its high end."""
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)

    def holds(self, value: Any) -> bool:
        """Whether the value lies on this axis."""
        return value in self.choices if self.choices else bool(self.low <= value <= self.high)

    def nearest(self, value: float) -> float:
        """The number on this axis that is nearest to the value."""
        return min(max(value, self.low), self.high)

    def mix(self, shares: Iterable[tuple[float, float]]) -> float:
        """The weighted mean of pairs (number, share), on the scale of this axis."""
        parts = [(number, share) for number, share in shares if share]
        if len(parts) == 1:
            return parts[0][0]
        if self.log:
            return math.exp(sum(share * math.log(number) for number, share in parts))
        return sum(share * number for number, share in parts)

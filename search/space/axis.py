"""One searched number or choice."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


def family(name: str) -> str:
    """What an axis shares with those that differ from it by depth or module class only.

    >>> family("weight[reverse].mlp.2")
    'weight[reverse]'
    """
    return name.partition(".")[0]


def owner(name: str) -> tuple[str, str]:
    """The parameter that an axis belongs to, and the model, if it is one model's.

    >>> owner("weight[reverse].mlp.2")
    ('weight', 'reverse')
    """
    parameter, _, model = family(name).rstrip("]").partition("[")
    return parameter, model


@dataclass(frozen=True)
class Axis:
    """A range, perhaps on a log scale, or the choices."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str | bool, ...] = ()

    @property
    def centre(self) -> float | str | bool:
        """What a parameter that the method ignores is set to."""
        if self.choices:
            return self.choices[0]
        return float((self.low * self.high) ** 0.5 if self.log else (self.low + self.high) / 2)

    def holds(self, value: Any) -> bool:
        """Whether the value lies on this axis."""
        return value in self.choices if self.choices else bool(self.low <= value <= self.high)

    def nearest(self, value: float) -> float:
        """The number on this axis that is nearest to the value."""
        return min(max(value, self.low), self.high)

    def mix(self, shares: Iterable[tuple[float, float]]) -> float:
        """The mean of numbers by their shares, on this axis' scale: pairs (number, share)."""
        parts = [(number, share) for number, share in shares if share]
        if len(parts) == 1:
            return parts[0][0]
        if self.log:
            return math.exp(sum(share * math.log(number) for number, share in parts))
        return sum(share * number for number, share in parts)

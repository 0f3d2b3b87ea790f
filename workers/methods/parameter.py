"""A method's parameters: their ranges, and the check of the values that a recipe gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluators.wording import counted

PerModel = Sequence[float]
"""One number per model, in the recipe's order."""


@dataclass(frozen=True)
class Range:
    """The range in which a parameter is searched, and the values that are valid at all."""

    low: float
    high: float
    log: bool = False
    least: float = -math.inf
    most: float = math.inf
    least_excluded: bool = False

    def error(self, value: float) -> str | None:
        """Why a value is invalid, or None."""
        if not math.isfinite(value):
            return "is not a finite number"
        if value < self.least or (self.least_excluded and value == self.least):
            return f"must be {'above' if self.least_excluded else 'at least'} {self.least:g}"
        return f"must be at most {self.most:g}" if value > self.most else None


@dataclass(frozen=True)
class Parameter:
    """A number or a boolean that a method needs, under its name in a recipe."""

    name: str
    per_model: bool
    range: Range | None
    """None for a boolean, which is not searched."""
    default: float | bool | None
    """None if a recipe must give it."""
    argument: str
    """Of the method's function: the name, with an underscore if it is a Python keyword."""

    def errors(self, value: Any, models: Sequence[str]) -> list[str]:
        """Everything that is wrong with a recipe's value."""
        name = self.name
        if self.range is None:  # mergekit's own files write true as 1.0
            is_boolean = value in (False, True)
            return [] if is_boolean else [f"{name}: {value!r} is neither true nor false"]
        if not self.per_model:
            return _number_errors(name, self.range, value)
        if isinstance(value, Mapping):
            errors = [
                f"{name}: {each!r} is not a model of the recipe"
                for each in value
                if each not in models
            ]
            errors += [
                f"{name}: missing for model {each!r}" for each in models if each not in value
            ]
            if errors:
                return errors
        elif (
            isinstance(value, Sequence) and not isinstance(value, str) and len(value) != len(models)
        ):
            expected = (
                f"requires {counted(len(models), 'number')}, one per model ({', '.join(models)})"
            )
            return [f"{name}: {expected}, not {len(value)}"]
        return [
            error
            for model, number in by_model(value, models)
            for error in _number_errors(f"{name} of {model}", self.range, number)
        ]


def by_model(value: Any, models: Sequence[str]) -> list[tuple[str, Any]]:
    """A per-model value, given as a mapping, a list or one number for all, in model order."""
    if isinstance(value, Mapping):
        return [(model, value[model]) for model in models]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(zip(models, value, strict=True))
    return [(model, value) for model in models]


def as_float(number: float) -> float:
    """A number as a float: infinite if it is a whole number that is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _number_errors(name: str, limits: Range, value: Any) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [f"{name}: {value!r} is not a number"]
    number = as_float(value)
    error = limits.error(number)
    return [f"{name}: {number:g} {error}"] if error else []

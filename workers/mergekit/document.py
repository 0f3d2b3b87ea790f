"""The content of a mergekit recipe file, with line numbers for errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from workers.mergekit.tokenizer import DocumentTokenizer
from workers.recipe import Source


@dataclass(frozen=True)
class Condition:
    """A number, or a gradient over the layers of a slice, for the tensors that match a filter."""

    filter: str | None
    values: tuple[float, ...]

    def matches(self, tensor: str) -> bool:
        """Whether the tensor's name contains the filter; no filter and `*` match all tensors."""
        return self.filter in (None, "*") or str(self.filter) in tensor

    def at(self, t: float) -> float:
        """The value at a position t in the slice, 0 to 1, interpolated linearly."""
        last = len(self.values) - 1
        below = math.floor(t * last)
        above, fraction = min(last, below + 1), t * last - below
        return (1.0 - fraction) * self.values[below] + fraction * self.values[above]


@dataclass(frozen=True)
class Setting:
    """A parameter: the first condition that matches a tensor gives its value."""

    conditions: tuple[Condition, ...]
    line: int

    def of(self, tensor: str, t: float) -> float | None:
        """The value for a tensor; None if no condition matches."""
        return next((each.at(t) for each in self.conditions if each.matches(tensor)), None)


Settings = Mapping[str, Setting]


@dataclass(frozen=True)
class SourceModel:
    """A model in a slice, with its own parameters."""

    model: Source
    line: int
    parameters: Settings = field(default_factory=dict)
    layers: tuple[int, int] = (0, 1)
    """First layer and the one after the last; not used under `models`."""


@dataclass(frozen=True)
class Slice:
    """A range of layers and the models that are merged there."""

    sources: tuple[SourceModel, ...]
    line: int
    parameters: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """One recipe: the whole file, or one of its documents."""

    name: str | None
    """The name under which other documents of the file merge its result."""
    line: int
    method: str
    slices: tuple[Slice, ...]
    is_whole: bool
    """Whether it lists `models`: a single slice with all layers."""
    parameters: Settings
    base: Source | None
    dtype: str | None
    tokenizer: DocumentTokenizer | None
    chat_template: str | None
    """A name, a template, or `auto`: the most common one of the models."""

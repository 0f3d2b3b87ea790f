"""Where each tensor is among the slices of a mergekit file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workers.mergekit.document import Document, Slice
from workers.mergekit.yaml_nodes import Errors
from workers.recipe import layer_of, module_of


@dataclass(frozen=True)
class Position:
    """The slice that a tensor belongs to, and how far into the slice it is, from 0 to 1."""

    slice: Slice
    t: float


def positions(
    document: Document, tensors: Iterable[str], ranges: Sequence[tuple[int, int]]
) -> dict[str, Position]:
    """The position of every tensor of the merged model; `ranges` has the layers of each slice."""
    return {name: _position(name, document.slices, ranges) for name in tensors}


def check_ends(document: Document, errors: Errors) -> None:
    """Whether the last slice lists as many models as the first."""
    first, last = document.slices[0], document.slices[-1]
    if len(first.sources) != len(last.sources):
        errors.add(
            last.line,
            f"the first slice has {len(first.sources)} sources, the last {len(last.sources)}, "
            "and mergekit would ignore some; list the same models, with weight 0 if unused",
        )


def _position(tensor: str, slices: Sequence[Slice], ranges: Sequence[tuple[int, int]]) -> Position:
    """Embeddings are at the start of the first slice, norm and head at the start of the last."""
    layer = layer_of(tensor)
    if layer is None:
        return Position(slices[0 if module_of(tensor) == "embed" else -1], 0.0)
    i = next(i for i, (_, end) in enumerate(ranges) if layer < end)
    length, offset = ranges[i][1] - ranges[i][0], layer - ranges[i][0]
    return Position(slices[i], offset / (length - 1) if length > 1 else 1.0)

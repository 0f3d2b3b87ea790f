"""Where each tensor is among the slices of a mergekit file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.checkpoint import Checkpoint
from workers.mergekit.document import Document, Slice
from workers.mergekit.yaml_nodes import Errors
from workers.recipe import layer_of, module_of


@dataclass(frozen=True)
class Position:
    """The slice that a tensor belongs to, and how far into the slice it is, from 0 to 1."""

    slice: Slice
    t: float


def positions(
    document: Document, checkpoints: Sequence[Checkpoint], errors: Errors
) -> dict[str, Position]:
    """The position of every tensor; empty after an error."""
    ranges = _ranges(document, checkpoints[0].n_layers, errors)
    tensors = dict.fromkeys(name for each in checkpoints for name in each.tensors)
    return {name: _position(name, document.slices, ranges) for name in tensors if ranges}


def _ranges(document: Document, layers: int, errors: Errors) -> list[tuple[int, int]]:
    """The layers of each slice, which must be those of the models, in order; empty if not."""
    if document.is_whole:
        return [(0, layers)]
    at = 0
    for part in document.slices:
        if not _is_in_place(part, at, errors):
            return []
        at = part.sources[0].layers[1]
    first, last = document.slices[0], document.slices[-1]
    if at != layers:
        errors.add(last.line, f"the slices end at layer {at}, but the models have {layers} layers")
        return []
    if len(first.sources) != len(last.sources):
        errors.add(
            last.line,
            f"the first slice has {len(first.sources)} sources, the last {len(last.sources)}, "
            "and mergekit would ignore some; list the same models, with weight 0 if unused",
        )
    return [part.sources[0].layers for part in document.slices]


def _is_in_place(part: Slice, start: int, errors: Errors) -> bool:
    for each in part.sources:
        if each.layers[0] != start:
            errors.add(
                each.line,
                f"layer {start} of the merged model would be layer {each.layers[0]} of "
                f"{each.model}; merges that move, repeat or drop layers are not supported",
            )
            return False
        if each.layers != part.sources[0].layers:
            errors.add(each.line, "the sources of a slice differ in length")
            return False
    return True


def _position(tensor: str, slices: Sequence[Slice], ranges: list[tuple[int, int]]) -> Position:
    """Embeddings are at the start of the first slice, norm and head at the start of the last."""
    layer = layer_of(tensor)
    if layer is None:
        return Position(slices[0 if module_of(tensor) == "embed" else -1], 0.0)
    i = next(i for i, (_, end) in enumerate(ranges) if layer < end)
    length, offset = ranges[i][1] - ranges[i][0], layer - ranges[i][0]
    return Position(slices[i], offset / (length - 1) if length > 1 else 1.0)

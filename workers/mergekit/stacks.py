"""Which layers of each model a mergekit file stacks: slices may move, repeat or drop layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from workers.checkpoint import Checkpoint
from workers.mergekit.document import Document
from workers.mergekit.yaml_nodes import Errors
from workers.recipe import Layers, Source

Opened = Mapping[Source, Checkpoint]


def check_layers(document: Document, opened: Opened, errors: Errors) -> None:
    """Whether the layers of every slice exist, equally many in each of its models."""
    for part in () if document.is_whole else document.slices:
        first = part.sources[0]
        for each in part.sources:
            n_layers = opened[each.model].n_layers
            if each.layers[1] > n_layers:
                errors.add(
                    each.line,
                    f"layer_range: {list(each.layers)} ends after the last layer of {each.model}, "
                    f"which has {n_layers}; end at {n_layers} at most",
                )
            if _length(each.layers) != _length(first.layers):
                errors.add(
                    each.line,
                    f"the sources of a slice differ in length: {each.model} has "
                    f"{_length(each.layers)} layers here, {first.model} {_length(first.layers)}",
                )


def slice_ranges(document: Document, opened: Opened) -> list[tuple[int, int]]:
    """The layers of the merged model that each slice makes."""
    if document.is_whole:
        return [(0, next(iter(opened.values())).n_layers)]
    lengths = [_length(part.sources[0].layers) for part in document.slices]
    return list(itertools.pairwise(itertools.accumulate(lengths, initial=0)))


def stacks(document: Document, opened: Opened) -> dict[Source, Layers | None]:
    """The layers of each model that become those of the merged one; None is all, in place."""
    found: dict[Source, Layers | None] = dict.fromkeys(opened)
    for source, checkpoint in () if document.is_whole else opened.items():
        layers = tuple(_ranges(_stack(document, source, checkpoint.n_layers)))
        found[source] = None if layers == ((0, checkpoint.n_layers),) else layers
    return found


def _stack(document: Document, source: Source, n_layers: int) -> Iterator[int]:
    """In a slice that does not list the model, it has the layers of the first one, unused."""
    for part in document.slices:
        listed = next((each for each in part.sources if each.model == source), part.sources[0])
        yield from (min(layer, n_layers - 1) for layer in range(*listed.layers))


def _ranges(order: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive layers."""
    for _, run in itertools.groupby(enumerate(order), key=lambda item: item[1] - item[0]):
        layers = [layer for _, layer in run]
        yield layers[0], layers[-1] + 1


def _length(layers: Sequence[int]) -> int:
    return layers[1] - layers[0]

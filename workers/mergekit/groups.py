"""Converts parameters per tensor to the smallest number of equivalent groups."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping

from workers.recipe import Group, Value, layer_of

Parameters = Mapping[str, Value]
Classes = dict[str, list[str]]
"""Parameters, as text -> the tensors of a layer that have them, by name within the layer."""


def to_groups(table: Mapping[str, Parameters]) -> tuple[Group, ...]:
    """Groups that give each tensor of the table its parameters.

    Tensors outside the layers come first and by name, then layers, then tensors within layers.
    """
    texts = {tensor: _text(values) for tensor, values in table.items()}
    if len(set(texts.values())) == 1:
        return (Group(next(iter(table.values()))),)
    values = {text: table[tensor] for tensor, text in texts.items()}
    outside: Classes = {}
    layers: dict[int, Classes] = {}
    for tensor, text in texts.items():
        layer = layer_of(tensor)
        if layer is None:
            outside.setdefault(text, []).append(tensor)
        else:
            rest = "." + tensor.partition(f".{layer}.")[2]
            layers.setdefault(layer, {}).setdefault(text, []).append(rest)
    groups = [Group(values[text], names=tuple(names)) for text, names in outside.items()]
    for classes, run in itertools.groupby(sorted(layers), key=lambda layer: layers[layer]):
        where = list(run)
        groups += _within((where[0], where[-1] + 1), classes, values)
    return tuple(groups)


def _within(
    layers: tuple[int, int], classes: Classes, values: Mapping[str, Parameters]
) -> list[Group]:
    """The groups of some layers; the most common parameters come last and need no names."""
    ordered = sorted(classes, key=lambda text: len(classes[text]))
    groups = [Group(values[text], layers, names=tuple(classes[text])) for text in ordered[:-1]]
    return [*groups, Group(values[ordered[-1]], layers)]


def _text(values: Parameters) -> str:
    return json.dumps(values, sort_keys=True)

"""A model made of another one's layers: moved, repeated or left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workers.checkpoint.checkpoint import Checkpoint, DerivedCheckpoint
from workers.checkpoint.parts import language_config, with_language_config
from workers.recipe import Layers, layer_of, stacked_fingerprint, with_layer

if TYPE_CHECKING:
    import torch

_DEPTH = ("num_hidden_layers", "n_layer")
_NOT_BY_LAYER = ("architectures", "_id", "_ids", "_tokens")
"""Ends of the keys whose lists may have as many entries as there are layers, by chance."""


@dataclass(frozen=True, kw_only=True)
class StackedCheckpoint(DerivedCheckpoint):
    """A checkpoint whose layers are those of `original` in another order."""

    layers: Layers
    stored: Mapping[str, str]
    """Tensor -> its name in the original."""

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of the original's content and the layers."""
        return stacked_fingerprint(self.original.fingerprint, self.layers)

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor of the original, memory-mapped."""
        return self.original.tensor(self.stored[name])


def stack(checkpoint: Checkpoint, layers: Layers) -> Checkpoint:
    """The model whose layers are the given ranges of a model's layers, in this order.

    Settings by layer (`layer_types` and other lists with one entry per layer) move with them.

    Raises:
        ValueError: if there is no such layer, or the config does not give the number of layers.
    """
    where = checkpoint.path / "config.json"
    n_layers = checkpoint.n_layers
    if missing := [each for each in layers if each[1] > n_layers]:
        raise ValueError(
            f"{where}: there are {n_layers} layers, so layers {list(missing[0])} do not exist; "
            f"a range ends at {n_layers} at most"
        )
    if not any(key in language_config(checkpoint.config) for key in _DEPTH):
        raise ValueError(f"{where}: has neither {' nor '.join(_DEPTH)}, so it cannot be stacked")
    order = [layer for first, end in layers for layer in range(first, end)]
    stored = dict(_renamed(checkpoint, order))
    return StackedCheckpoint.of(
        checkpoint,
        tensors={name: checkpoint.tensors[original] for name, original in stored.items()},
        config=_config(checkpoint, order),
        ignored={n: info for n, info in checkpoint.ignored.items() if layer_of(n) is None},
        copies={},
        changes={},
        layers=layers,
        stored=stored,
    )


def _renamed(checkpoint: Checkpoint, order: Sequence[int]) -> Iterator[tuple[str, str]]:
    by_layer: dict[int | None, list[str]] = {}
    for name in checkpoint.tensors:
        by_layer.setdefault(layer_of(name), []).append(name)
    for name in by_layer.get(None, ()):
        yield name, name
    for at, layer in enumerate(order):
        for name in by_layer.get(layer, ()):
            yield with_layer(name, at), name


def _config(checkpoint: Checkpoint, order: Sequence[int]) -> dict[str, Any]:
    """The config with as many layers; defaults by layer are written out."""
    from workers.checkpoint.transformers_config import normalised_config  # noqa: PLC0415 - imports torch

    by_layer = {
        key: [value[layer] for layer in order]
        for key, value in language_config(normalised_config(checkpoint)).items()
        if isinstance(value, list)
        and len(value) == checkpoint.n_layers
        and not key.endswith(_NOT_BY_LAYER)
    }
    depth = {key: len(order) for key in _DEPTH if key in language_config(checkpoint.config)}
    return with_language_config(checkpoint.config, {**by_layer, **depth})

"""Merging a model larger than memory: a few tensors of every model at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from workers.checkpoint import Checkpoint, DerivedCheckpoint
from workers.merging import Engine, MergeSettings
from workers.recipe import Recipe, is_vocabulary

if TYPE_CHECKING:
    from torch import Tensor

PORTION = 128 * 2**20
"""Bytes of one model's tensors that are open at a time, unless a single tensor is larger."""


@dataclass(frozen=True, kw_only=True)
class Portion(DerivedCheckpoint):
    """Some tensors of a checkpoint; their memory is freed together with the portion."""

    known_fingerprint: str
    """The recipe's fingerprint of the whole checkpoint; it has already been verified."""

    @property
    def dtype(self) -> str:
        """That of the whole checkpoint."""
        return self.original.dtype

    @cached_property
    def fingerprint(self) -> str:
        """That of the whole checkpoint."""
        return self.known_fingerprint


def stream(recipe: Recipe, opened: Mapping[str, Checkpoint]) -> Iterator[tuple[str, Tensor]]:
    """Every merged tensor in the order of the first checkpoint; same bytes as a live merge.

    Args:
        recipe: what to merge.
        opened: its models by name, aligned, with the base as `base`.
    """
    like = next(iter(opened.values()))
    for names in _portions(like):
        engine = _engine(recipe, opened, names)
        for name in names:
            yield name, engine.merge(recipe, name)
        engine.close()
        del engine  # before the next one opens its files


def _portions(like: Checkpoint) -> Iterator[list[str]]:
    portion: list[str] = []
    size = 0
    for name, info in like.tensors.items():
        if portion and size + info.nbytes > PORTION:
            yield portion
            portion, size = [], 0
        portion.append(name)
        size += info.nbytes
    yield portion


def _engine(recipe: Recipe, opened: Mapping[str, Checkpoint], names: list[str]) -> Engine:
    wanted = set(names)
    if any(map(is_vocabulary, names)):  # a head may be tied to an embedding in another portion
        wanted |= {name for each in opened.values() for name in each.tensors if is_vocabulary(name)}
    parts = {
        name: Portion.of(
            each,
            tensors={tensor: info for tensor, info in each.tensors.items() if tensor in wanted},
            known_fingerprint=recipe.sources[name].fingerprint or name,
        )
        for name, each in opened.items()
    }
    base = parts.pop("base", None)
    # for a single merge, compiling and caching statistics cost more than they save
    settings = MergeSettings(mode="eager", placement="mapped", statistics="asked")
    return Engine(parts, base, settings=settings)

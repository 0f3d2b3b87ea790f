"""A model whose files name the same tensors otherwise than another model's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.checkpoint.checkpoint import Checkpoint, DerivedCheckpoint
from workers.checkpoint.live import meta_model

if TYPE_CHECKING:
    import torch

    from workers.checkpoint.headers import TensorInfo


@dataclass(frozen=True, kw_only=True)
class RenamedCheckpoint(DerivedCheckpoint):
    """A checkpoint with the tensor names of another one."""

    stored: Mapping[str, str]
    """Tensor -> its name in the original."""

    @property
    def content(self) -> str:
        """That of the original."""
        return self.original.content

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor of the original, memory-mapped."""
        return self.original.tensor(self.stored[name])


def with_names_of(checkpoint: Checkpoint, reference: Checkpoint) -> Checkpoint:
    """The model with the reference's names for the tensors that transformers loads as the same.

    Multi-part models of different versions of transformers have different names, and so do files
    with and without the prefix of the base model. A model whose names fit is returned as it is,
    and one whose tensors transformers joins or splits too.
    """
    if checkpoint.tensors.keys() == reference.tensors.keys():
        return checkpoint
    try:
        ours, theirs = (_by_live_name(each) for each in (checkpoint, reference))
    except ValueError:  # the doctor says why
        return checkpoint
    names = {ours[live]: theirs.get(live, ours[live]) for live in ours}
    every = {**checkpoint.tensors, **checkpoint.towers}
    if len(ours) != len(every) or len({*names.values()}) != len(names):
        return checkpoint
    stored = {names[name]: name for name in every}

    def renamed(tensors: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
        return {names[name]: info for name, info in tensors.items()}

    return RenamedCheckpoint.of(
        checkpoint,
        tensors=renamed(checkpoint.tensors),
        towers=renamed(checkpoint.towers),
        changes={names.get(name, name): where for name, where in checkpoint.changes.items()},
        stored=stored,
    )


def _by_live_name(checkpoint: Checkpoint) -> dict[str, str]:
    """Tensor of the live model -> its name in the files; a joined one has several names there."""
    file_names = meta_model(checkpoint).file_names
    every = {**checkpoint.tensors, **checkpoint.towers}
    return {file_names.live_name(name) or name: name for name in every}

"""A multi-part model of which every part is merged, not only the language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.checkpoint.checkpoint import Checkpoint, DerivedCheckpoint, read_tensor

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class WholeCheckpoint(DerivedCheckpoint):
    """A checkpoint whose tensors include those of its towers."""

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor of the original or of its towers, memory-mapped."""
        tower = self.original.towers.get(name)
        return read_tensor(tower.file, name) if tower else self.original.tensor(name)


def with_towers(checkpoint: Checkpoint) -> Checkpoint:
    """The model with its towers among the tensors; a model without towers as it is."""
    if not checkpoint.towers:
        return checkpoint
    tensors = {**checkpoint.tensors, **checkpoint.towers}
    return WholeCheckpoint.of(checkpoint, tensors=tensors, towers={})

"""Gives models that differ in padding rows or in a tied head the same tensor shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.checkpoint.checkpoint import (
    Checkpoint,
    DerivedCheckpoint,
    embedding_of,
    with_vocabulary_rows,
)
from workers.checkpoint.renamed_checkpoint import with_names_of
from workers.recipe import is_vocabulary, module_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class AlignedCheckpoint(DerivedCheckpoint):
    """A checkpoint with the tensor shapes of a reference.

    Vocabulary rows that it lacks are the reference's, additional rows are cut off; a tied head
    is read from the embedding.
    """

    reference: Checkpoint

    @property
    def dtype(self) -> str:
        """That of the original; an added head does not count."""
        return self.original.dtype

    @property
    def content(self) -> str:
        """That of the original; what is taken from the reference depends on the reference."""
        return self.original.content

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor in the shape of the reference."""
        stored = name if name in self.original.tensors else embedding_of(self.original)
        tensor = self.original.tensor(stored)
        rows = self.tensors[name].shape[0] if self.tensors[name].shape else 0
        if not is_vocabulary(name) or len(tensor) == rows:
            return tensor
        if len(tensor) > rows:
            return tensor[:rows]
        import torch  # noqa: PLC0415 - needed only here

        padding = self.reference.tensor(name)[len(tensor) :]
        return torch.cat([tensor, padding.to(tensor.dtype)])


def align(models: Mapping[str, Checkpoint]) -> dict[str, Checkpoint]:
    """The models with the tensor names and shapes of the first, its vocabulary rows included.

    If its head is tied to the embedding and another model's is not, all get a separate head.
    The doctor checks that only padding rows are cut off or filled in.
    """
    first, *_ = models
    named = {name: with_names_of(model, models[first]) for name, model in models.items()}
    reference = _with_separate_head(named[first], list(named.values()))
    return {
        name: reference if name == first else _with_rows_of(model, reference)
        for name, model in named.items()
    }


def _with_separate_head(reference: Checkpoint, models: list[Checkpoint]) -> Checkpoint:
    separate = [n for m in models if not m.tied for n in m.tensors if module_of(n) == "head"]
    if not reference.tied or not separate:
        return reference
    head = reference.tensors[embedding_of(reference)]
    return AlignedCheckpoint.of(
        reference,
        tensors={**reference.tensors, separate[0]: head},
        config={**reference.config, "tie_word_embeddings": False},
        reference=reference,
    )


def _with_rows_of(model: Checkpoint, reference: Checkpoint) -> Checkpoint:
    rows = reference.vocabulary_rows
    resized = model.tensors if rows is None else with_vocabulary_rows(model.tensors, rows)
    if resized == model.tensors:
        return model
    return AlignedCheckpoint.of(model, tensors=resized, reference=reference)

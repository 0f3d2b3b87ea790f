"""Models that differ in padding rows or in a tied head, seen in one shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from workers.checkpoint.headers import TensorInfo
from workers.checkpoint.reading import Checkpoint
from workers.recipe import is_vocabulary, module_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Fitted(Checkpoint):
    """A checkpoint in the shape of another.

    Rows that its vocabulary lacks are the other's, rows beyond it are left out; a head that is
    tied is its embedding.
    """

    original: Checkpoint
    other: Checkpoint

    @property
    def dtype(self) -> str:
        """That of the original: a head of its own does not count."""
        return self.original.dtype

    @cached_property
    def fingerprint(self) -> str:
        """That of the content as it lies on disk."""
        return self.original.fingerprint

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor in the fitted shape."""
        stored = name if name in self.original.tensors else embedding_of(self.original)
        found = self.original.tensor(stored)
        rows = self.tensors[name].shape[0] if self.tensors[name].shape else 0
        if not is_vocabulary(name) or len(found) == rows:
            return found
        if len(found) > rows:
            return found[:rows]
        import torch  # noqa: PLC0415 - nothing else here needs it

        padding = self.other.tensor(name)[len(found) :]
        return torch.cat([found, padding.to(found.dtype)])


def fitted(models: Mapping[str, Checkpoint]) -> dict[str, Checkpoint]:
    """The models in the shape of the first.

    It decides the rows of the vocabulary. Where its head is tied to the embedding and another
    model's is not, all are merged with a head of their own. Whether the rows that are cut or
    filled are padding is for the doctor to say.
    """
    first, *_ = models
    reference = _with_head(models[first], list(models.values()))
    return {
        name: reference if name == first else _in_shape(model, reference)
        for name, model in models.items()
    }


def embedding_of(checkpoint: Checkpoint) -> str:
    """The name of the token embedding."""
    return next(n for n in checkpoint.tensors if module_of(n) == "embed" and is_vocabulary(n))


def _with_head(reference: Checkpoint, models: list[Checkpoint]) -> Checkpoint:
    heads = [n for m in models if not m.tied for n in m.tensors if module_of(n) == "head"]
    if not reference.tied or not heads:
        return reference
    head = reference.tensors[embedding_of(reference)]
    return Fitted(
        reference.path,
        {**reference.tensors, heads[0]: head},
        {**reference.config, "tie_word_embeddings": False},
        original=reference,
        other=reference,
    )


def _in_shape(model: Checkpoint, reference: Checkpoint) -> Checkpoint:
    shapes = {name: _rows(name, info, reference) for name, info in model.tensors.items()}
    if shapes == dict(model.tensors):
        return model
    return Fitted(model.path, shapes, model.config, original=model, other=reference)


def _rows(name: str, info: TensorInfo, reference: Checkpoint) -> TensorInfo:
    rows = reference.vocabulary_rows
    if not is_vocabulary(name) or rows is None or info.shape[0] == rows:
        return info
    return replace(info, shape=(rows, *info.shape[1:]))

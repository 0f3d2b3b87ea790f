"""A model with the vocabulary of a merged one: the rows of its embedding and head by token.

The changed tensors are in a file of the cache that every process memory-maps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workers.checkpoint.cached_tensors import cached_tensors
from workers.checkpoint.checkpoint import Checkpoint, DerivedCheckpoint, embedding_of, read_tensor
from workers.checkpoint.vocabulary.merged_vocabulary import AVERAGE, Fill, ModelRows

if TYPE_CHECKING:
    import torch

VERSION = 1
"""Of the cached files; increase it when their content changes."""


@dataclass(frozen=True, kw_only=True)
class RetokenizedCheckpoint(DerivedCheckpoint):
    """A checkpoint whose vocabulary is that of the merged model."""

    tokenizer: Path
    generation: Path
    names: tuple[str, ...] = ()
    """The tensors whose rows are put in another order."""
    rows: ModelRows = field(default_factory=ModelRows)
    donors: Mapping[str, Checkpoint] = field(default_factory=dict)
    """The models by name, to fill rows from."""

    @property
    def tokenizer_path(self) -> Path:
        """That of the merged model's tokenizer, for the base; else the model's own."""
        return self.tokenizer

    @property
    def generation_path(self) -> Path:
        """That of the model whose tokenizer is used or extended, for the base."""
        return self.generation

    @cached_property
    def content(self) -> str:
        """Hex digest of the original, of the order of rows, and of the models that fill some."""
        if not self.names:
            return self.original.content
        digest = hashlib.blake2b(self.original.content.encode(), digest_size=16)
        digest.update(self.rows.own.tobytes())
        digest.update(repr(sorted(self.rows.fills.items())).encode())
        for name in sorted({name for each in self.rows.fills.values() for name, _ in each.donors}):
            digest.update(f"{name}={self.donors[name].content}".encode())
        return digest.hexdigest()

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, memory-mapped, with a row for each merged token."""
        if name not in self.names:
            return super().tensor(name)
        plan = {each: self.tensors[each] for each in self.names}
        file = cached_tensors(f"vocabularies/{self.content}-{VERSION}", plan, self._reordered)
        return read_tensor(file, name)

    def _reordered(self) -> Iterator[tuple[str, torch.Tensor]]:
        import torch  # noqa: PLC0415 - needed only here

        own = torch.from_numpy(self.rows.own)
        for name in self.names:
            tensor = self.original.tensor(name)
            merged = tensor.index_select(0, own.clamp(min=0))
            donors = {model: _stored(each, name) for model, each in self.donors.items()}
            for row, fill in self.rows.fills.items():
                merged[row] = _filled(fill, donors, like=merged[row], where=f"{self.path}: {name}")
            padding = own == AVERAGE
            if padding.any():
                merged[padding] = merged[~padding].mean(0, dtype=torch.float32).to(merged.dtype)
            yield name, merged


def _filled(
    fill: Fill, donors: Mapping[str, torch.Tensor], *, like: torch.Tensor, where: str
) -> torch.Tensor:
    """The mean of the donors' rows, or zeros, in the dtype of another row.

    Raises:
        ValueError: if a number is too large for that dtype.
    """
    rows = [donors[model][row] for model, row in fill.donors]
    if not rows:
        return like.new_zeros(like.shape)
    total = rows[0].float()
    for row in rows[1:]:
        total = total + row.float()
    filled = (total / len(rows)).to(like.dtype)
    if filled.isinf().any():
        ours, theirs = (str(each.dtype).removeprefix("torch.") for each in (like, rows[0]))
        raise ValueError(
            f"{where} is {ours}, which cannot hold the {theirs} row of token {fill.token!r} of "
            f"{fill.donors[0][0]}; convert this model to {theirs}, or leave one of them out"
        )
    return filled


def _stored(checkpoint: Checkpoint, name: str) -> torch.Tensor:
    """A tensor of a donor; its embedding for a head that is tied to it."""
    return checkpoint.tensor(name if name in checkpoint.tensors else embedding_of(checkpoint))

"""A model with the vocabulary of a merged one: the rows of its embedding and head by token.

The changed tensors are written once to a file in the cache, named by content, and every process
memory-maps that file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workers.checkpoint.alignment import embedding_of
from workers.checkpoint.checkpoint import Checkpoint, read_tensor
from workers.checkpoint.location import cache_folder
from workers.checkpoint.merged_vocabulary import AVERAGE, Fill, ModelRows

if TYPE_CHECKING:
    import torch

VERSION = 1
"""Of the cached files; increase it when their content changes."""


@dataclass(frozen=True, kw_only=True)
class RetokenizedCheckpoint(Checkpoint):
    """A checkpoint whose vocabulary is that of the merged model."""

    original: Checkpoint
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
    def fingerprint(self) -> str:
        """That of the original's files."""
        return self.original.fingerprint

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
            return self.original.tensor(name)
        return read_tensor(self._file(), name)

    def _file(self) -> Path:
        """The cached file of the changed tensors, written if it does not exist yet."""
        file = cache_folder() / "vocabularies" / f"{self.content}-{VERSION}.safetensors"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            self._write(file)
        return file

    def _write(self, file: Path) -> None:
        from workers.checkpoint.file_writer import write_file  # noqa: PLC0415 - imports torch

        plan = {name: self.tensors[name] for name in self.names}
        _check_space(file, sum(info.nbytes for info in plan.values()))
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        os.close(handle)
        try:
            write_file(Path(temporary), plan, self._reordered())
            Path(temporary).replace(file)
        finally:
            Path(temporary).unlink(missing_ok=True)

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


def _check_space(file: Path, nbytes: int) -> None:
    free = shutil.disk_usage(file.parent).free
    if free < nbytes:
        raise ValueError(
            f"{file.parent}: not enough space for the merged vocabulary: it needs "
            f"{nbytes / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free; free some space or set "
            "XDG_CACHE_HOME to another disk"
        )

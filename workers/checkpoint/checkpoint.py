"""A model on disk: its headers are read first, its tensors one at a time and memory-mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from safetensors import safe_open

from workers.checkpoint.adapter import Adapter
from workers.checkpoint.headers import BYTES_PER_ENTRY, TensorInfo
from workers.checkpoint.parts import language_config
from workers.recipe import is_vocabulary, module_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Checkpoint:
    """A model directory: its tensors by name, its config and the fingerprint of its content."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    config: Mapping[str, Any]
    adapter: Adapter | None = None
    """The LoRA adapter that an `AdaptedCheckpoint` applies."""
    ignored: Mapping[str, TensorInfo] = field(default_factory=dict)
    """Tensors in the files that the architecture does not load; they are not merged."""
    towers: Mapping[str, TensorInfo] = field(default_factory=dict)
    """Tensors of a multi-part model outside its language model; they are not merged."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Tied tensors in the files -> the tensor that they are tied to and equal; not read either."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """Tensor that differs from the files in `path` -> its name elsewhere."""

    @property
    def tokenizer_path(self) -> Path:
        """The directory of its tokenizer's files."""
        return self.path

    @property
    def config_file(self) -> str:
        """Where its config is from, for messages."""
        return f"{self.path / 'config.json'}{' with its adapter' if self.adapter else ''}"

    @property
    def generation_path(self) -> Path:
        """The directory of its generation config."""
        return self.path

    @property
    def n_layers(self) -> int:
        """Number of transformer layers of the language model, from the config."""
        settings = language_config(self.config)
        return int(settings.get("num_hidden_layers") or settings.get("n_layer") or 1)

    @property
    def tied(self) -> bool:
        """Whether the output head is the input embedding."""
        return bool(self.config.get("tie_word_embeddings", not heads(self.tensors)))

    @property
    def dtype(self) -> str:
        """The most common dtype of the tensors; if two are equally common, the wider one."""
        dtypes = [info.dtype for info in self.tensors.values()]
        return max(
            sorted(set(dtypes)), key=lambda each: (dtypes.count(each), BYTES_PER_ENTRY[each])
        )

    @property
    def vocabulary_rows(self) -> int | None:
        """Rows of the token embedding: the vocabulary and its padding."""
        found = [i.shape[0] for n, i in self.tensors.items() if is_vocabulary(n)]
        return found[0] if found else None

    @property
    def unmerged(self) -> dict[str, TensorInfo]:
        """The tensors in the files of which the merged model has the base's, unchanged."""
        return {**self.ignored, **self.towers}

    @property
    def nbytes(self) -> int:
        """Size of all tensors that are merged, in bytes."""
        return sum(info.nbytes for info in self.tensors.values())

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of the bytes of all tensor files."""
        return self.digest_of_files()

    @property
    def content(self) -> str:
        """Hex digest of what `tensor` returns: the fingerprint, unless rows are put in order."""
        return self.fingerprint

    def digest_of_files(self, *more: bytes) -> str:
        """Hex digest of the bytes of all tensor files, and of what follows them."""
        digest = hashlib.blake2b(digest_size=16)
        infos = [*self.tensors.values(), *self.unmerged.values()]
        for file in sorted({info.file for info in infos}):
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
        for each in more:
            digest.update(each)
        return digest.hexdigest()

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, memory-mapped: its pages are shared by all processes of a node.

        Raises:
            KeyError: if there is no tensor of that name.
        """
        return read_tensor(self.tensors[name].file, name)


@dataclass(frozen=True, kw_only=True)
class DerivedCheckpoint(Checkpoint):
    """A checkpoint made of another one, which it equals in all that a subclass does not change."""

    original: Checkpoint

    @classmethod
    def of(cls, original: Checkpoint, **changed: Any) -> Self:
        """The original with other fields, and with those that only the subclass has."""
        same = {each.name: getattr(original, each.name) for each in fields(Checkpoint)}
        return cls(original=original, **{**same, **changed})

    @property
    def tokenizer_path(self) -> Path:
        """That of the original."""
        return self.original.tokenizer_path

    @property
    def generation_path(self) -> Path:
        """That of the original."""
        return self.original.generation_path

    @cached_property
    def fingerprint(self) -> str:
        """That of the original's files."""
        return self.original.fingerprint

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor of the original, memory-mapped."""
        return self.original.tensor(name)


def read_tensor(file: Path, name: str) -> torch.Tensor:
    """One tensor of a safetensors file, memory-mapped."""
    with safe_open(file, framework="pt") as opened:
        tensor: torch.Tensor = opened.get_tensor(name)
        return tensor


def heads(tensors: Iterable[str]) -> set[str]:
    """The names of the output heads."""
    return {name for name in tensors if module_of(name) == "head"}


def embedding_of(checkpoint: Checkpoint) -> str:
    """The name of the token embedding."""
    return next(n for n in checkpoint.tensors if module_of(n) == "embed" and is_vocabulary(n))


def with_vocabulary_rows(tensors: Mapping[str, TensorInfo], rows: int) -> dict[str, TensorInfo]:
    """The same tensors, those of the vocabulary with this number of rows."""
    return {
        name: replace(info, shape=(rows, *info.shape[1:])) if is_vocabulary(name) else info
        for name, info in tensors.items()
    }

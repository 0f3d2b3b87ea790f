"""Reading a model: headers first, tensors one at a time, memory-mapped.

Nothing here needs torch until a tensor is asked for, so that the doctor can look at models of any
size from the driver's process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from workers.checkpoint.adapter import Adapter, open_adapter
from workers.checkpoint.headers import WIDTH, TensorInfo, read_headers, read_json
from workers.checkpoint.location import is_hub_id, model_folder, small_files
from workers.checkpoint.remote import remote_headers
from workers.recipe import Source, is_vocabulary, module_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Checkpoint:
    """A model directory: its tensors by checkpoint name, its config, its content's fingerprint."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    config: Mapping[str, Any]
    adapter: Adapter | None = field(default=None)
    """A LoRA adapter that its tensors are read with."""

    @property
    def n_layers(self) -> int:
        """Number of transformer layers, from the config."""
        return int(self.config.get("num_hidden_layers") or self.config.get("n_layer") or 1)

    @property
    def tied(self) -> bool:
        """Whether the output head is the input embedding."""
        return bool(self.config.get("tie_word_embeddings", not _heads(self.tensors)))

    @property
    def dtype(self) -> str:
        """The dtype of most of the tensors; of two with equally many the wider."""
        dtypes = [info.dtype for info in self.tensors.values()]
        return max(sorted(set(dtypes)), key=lambda each: (dtypes.count(each), WIDTH[each]))

    @property
    def vocabulary_rows(self) -> int | None:
        """Rows of the token embedding: the vocabulary and what it is padded with."""
        found = [i.shape[0] for n, i in self.tensors.items() if is_vocabulary(n)]
        return found[0] if found else None

    @property
    def nbytes(self) -> int:
        """Size of all tensors in bytes."""
        return sum(info.nbytes for info in self.tensors.values())

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of the bytes of all tensor files, and of the adapter's."""
        digest = hashlib.blake2b(digest_size=16)
        for file in sorted({info.file for info in self.tensors.values()}):
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
        if self.adapter:
            digest.update(self.adapter.fingerprint)
        return digest.hexdigest()

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, memory-mapped: its pages are shared by all processes of a node.

        Raises:
            KeyError: if there is no tensor of that name.
        """
        file = self.tensors[name].file
        if self.adapter and name in self.adapter.changes:
            file = self.adapter.applied(self)
        with safe_open(file, framework="pt") as opened:
            found: torch.Tensor = opened.get_tensor(name)
            return found

    def unadapted(self) -> Checkpoint:
        """The model as it is without its adapter."""
        return Checkpoint(self.path, self.tensors, self.config)


def open_checkpoint(source: Source) -> Checkpoint:
    """Opens a model directory, or the copy of a hub model, by its headers alone.

    Raises:
        ValueError: if it is not there, has no safetensors, a file is damaged, or its adapter was
            made for another model.
    """
    folder = model_folder(source.path, source.revision)
    return _opened(folder, read_headers(folder), source)


def look(source: Source) -> Checkpoint:
    """As `open_checkpoint`, but of a hub model only headers and small files are downloaded.

    Raises:
        ValueError: as `open_checkpoint`.
    """
    if not is_hub_id(source.path):
        return open_checkpoint(source)
    folder = small_files(source.path, source.revision)
    return _opened(folder, remote_headers(source.path, source.revision, folder), source)


def _opened(folder: Path, tensors: Mapping[str, TensorInfo], source: Source) -> Checkpoint:
    if not tensors:
        raise ValueError(f"{folder}: holds no tensors")
    config = read_json(folder / "config.json")
    if config.get("tie_word_embeddings"):  # some files hold the head once more
        heads = _heads(tensors)
        tensors = {name: info for name, info in tensors.items() if name not in heads}
    adapter = open_adapter(source.adapter, tensors) if source.adapter else None
    return Checkpoint(folder, tensors, config, adapter)


def _heads(tensors: Iterable[str]) -> set[str]:
    return {name for name in tensors if module_of(name) == "head"}

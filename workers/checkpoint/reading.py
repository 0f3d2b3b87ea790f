"""Reading a model: headers first, tensors one at a time, memory-mapped.

Nothing here needs torch until a tensor is asked for, so that the doctor can look at models of any
size from the driver's process.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import safe_open

from workers.recipe import Source

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
HUB_FILES = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True)
class TensorInfo:
    """What a safetensors header says of a tensor."""

    dtype: str
    shape: tuple[int, ...]
    file: Path

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * {"float32": 4}.get(self.dtype, 2)


@dataclass(frozen=True)
class Checkpoint:
    """A model directory: its tensors by checkpoint name, its config, its content's fingerprint."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    config: Mapping[str, Any]

    @property
    def n_layers(self) -> int:
        """Number of transformer layers, from the config."""
        return int(self.config.get("num_hidden_layers") or self.config.get("n_layer") or 1)

    @property
    def tied(self) -> bool:
        """Whether the output head is the input embedding."""
        return bool(self.config.get("tie_word_embeddings", False))

    @property
    def dtype(self) -> str:
        """The dtype of most of the tensors."""
        dtypes = [info.dtype for info in self.tensors.values()]
        return max(set(dtypes), key=dtypes.count)

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of the bytes of all tensor files."""
        digest = hashlib.blake2b(digest_size=16)
        for file in sorted({info.file for info in self.tensors.values()}):
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
        return digest.hexdigest()

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, memory-mapped: its pages are shared by all processes of a node.

        Raises:
            KeyError: if there is no tensor of that name.
        """
        with safe_open(self.tensors[name].file, framework="pt") as file:
            found: torch.Tensor = file.get_tensor(name)
            return found


def open_checkpoint(source: Source) -> Checkpoint:
    """Opens a model directory, or the copy of a hub model, by its headers alone.

    Raises:
        ValueError: if it is not there, has no safetensors, or a file is damaged.
    """
    if source.adapter:
        raise ValueError(f"{source.path} + {source.adapter}: LoRA adapters cannot be read yet")
    path = _directory(source)
    return Checkpoint(path=path, tensors=_tensors(path), config=_json(path / "config.json"))


def _directory(source: Source) -> Path:
    local = Path(source.path)
    if local.is_dir():
        return local
    if local.is_absolute() or source.path.count("/") != 1 or source.path.startswith("."):
        raise ValueError(f"no model directory at {source.path}")
    try:
        return Path(
            huggingface_hub.snapshot_download(
                source.path, revision=source.revision, allow_patterns=HUB_FILES
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{source.path} is no directory here and could not be had from the hub: {reason}"
        ) from None


def _tensors(path: Path) -> dict[str, TensorInfo]:
    if (path / INDEX).is_file():
        files = sorted(set(_json(path / INDEX)["weight_map"].values()))
    elif (path / SINGLE).is_file():
        files = [SINGLE]
    elif legacy := sorted(path.glob("*.bin")):
        raise ValueError(
            f"{legacy[0]}: pickled weights are not read; load the model with transformers and "
            "save_pretrained() it, which writes safetensors"
        )
    else:
        raise ValueError(f"{path}: no {SINGLE} and no {INDEX}; is this a model directory?")
    tensors: dict[str, TensorInfo] = {}
    for name in files:
        tensors |= _header(path / name)
    return tensors


def _header(file: Path) -> dict[str, TensorInfo]:
    """Reads the JSON header: its length in eight bytes, little-endian, then the text."""
    if not file.is_file():
        raise ValueError(f"{file}: this shard is named by the index and is not there")
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        size = file.stat().st_size
        if not 2 <= length <= size - 8:
            raise ValueError(f"{file}: not a safetensors file, or cut short")
        try:
            header = json.loads(stream.read(length))
        except (UnicodeDecodeError, json.JSONDecodeError):
            raise ValueError(f"{file}: the safetensors header is damaged") from None
    header.pop("__metadata__", None)
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size != 8 + length + end:
        raise ValueError(f"{file}: {size} bytes, but its header describes {8 + length + end}")
    return {name: _info(name, entry, file) for name, entry in header.items()}


def _info(name: str, entry: Mapping[str, Any], file: Path) -> TensorInfo:
    if entry["dtype"] not in _DTYPES:
        raise ValueError(
            f"{file}: {name} is {entry['dtype']}; only {', '.join(_DTYPES.values())} can be merged"
        )
    return TensorInfo(_DTYPES[entry["dtype"]], tuple(entry["shape"]), file)


def _json(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file}: not found; is this a model directory?") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: not valid JSON: {error}") from None
    return content

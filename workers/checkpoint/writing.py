"""Writing a model directory: streamed tensor by tensor, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import torch

from workers.checkpoint.reading import INDEX, SINGLE, Checkpoint, TensorInfo, open_checkpoint
from workers.recipe import Source

Tensors = Iterable[tuple[str, torch.Tensor]]

SHARD_BYTES = 5 * 10**9  # as transformers and the hub cut them
COMPANIONS = (  # what is copied from the model whose tokenizer the merged one takes
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "chat_template.jinja",
)
_CODES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


def write_model(
    out: Path,
    tensors: Tensors,
    *,
    like: Checkpoint,
    dtype: str,
    files: Mapping[str, str],
    force: bool = False,
) -> None:
    """Writes a Hugging Face directory; memory of one tensor, whatever the model's size.

    Args:
        out: the directory to make. It appears complete or not at all.
        tensors: (name, tensor) in the order of `like.tensors`.
        like: the checkpoint whose names, shapes, config and tokenizer it takes.
        dtype: of the tensors.
        files: further text files, by name.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` exists without `force`, or a tensor is not as planned.
    """
    if out.exists() and not force:
        raise ValueError(f"{out} exists already; choose another directory or pass --force")
    with _whole_or_not_at_all(out) as folder:
        _write_tensors(folder, tensors, like, dtype)
        config = {**like.config, "dtype": dtype}
        config.pop("torch_dtype", None)
        texts = {"config.json": json.dumps(config, indent=2, sort_keys=True) + "\n", **files}
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        for name in COMPANIONS:
            if (like.path / name).is_file():
                shutil.copyfile(like.path / name, folder / name)
        _verify(folder, like, dtype)


@contextmanager
def _whole_or_not_at_all(out: Path) -> Iterator[Path]:
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield folder
        for file in folder.iterdir():
            _sync(file)
        folder.chmod(0o755)  # mkdtemp makes it private
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
        _sync(out.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_tensors(folder: Path, tensors: Tensors, like: Checkpoint, dtype: str) -> None:
    shards = _shards(like.tensors, dtype)
    stream = iter(tensors)
    weight_map: dict[str, str] = {}
    for i, shard in enumerate(shards, start=1):
        name = SINGLE if len(shards) == 1 else f"model-{i:05}-of-{len(shards):05}.safetensors"
        with (folder / name).open("wb") as file:
            file.write(_header(shard, dtype))
            for tensor in shard:
                _append(file, tensor, like.tensors[tensor], dtype, next(stream))
        weight_map |= dict.fromkeys(shard, name)
    if len(shards) > 1:
        total = sum(_nbytes(info, dtype) for info in like.tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")


def _shards(tensors: Mapping[str, TensorInfo], dtype: str) -> list[dict[str, TensorInfo]]:
    shards: list[dict[str, TensorInfo]] = [{}]
    size = 0
    for name, info in tensors.items():
        if shards[-1] and size + _nbytes(info, dtype) > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = info
        size += _nbytes(info, dtype)
    return shards


def _header(shard: Mapping[str, TensorInfo], dtype: str) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, info in shard.items():
        end = start + _nbytes(info, dtype)
        entries[name] = {
            "dtype": _CODES[dtype],
            "shape": list(info.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format wants the data aligned
    return len(text).to_bytes(8, "little") + text


def _append(
    file: BinaryIO, name: str, info: TensorInfo, dtype: str, given: tuple[str, torch.Tensor]
) -> None:
    found, tensor = given
    fits = found == name and tuple(tensor.shape) == info.shape and _name(tensor.dtype) == dtype
    if not fits:
        raise ValueError(
            f"planned {name} {info.shape} {dtype}, "
            f"was given {found} {tuple(tensor.shape)} {_name(tensor.dtype)}"
        )
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} of the merged model has values that are not finite")
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    file.write(raw.numpy().data)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _nbytes(info: TensorInfo, dtype: str) -> int:
    return info.nbytes // _BYTES[info.dtype] * _BYTES[dtype]


def _verify(folder: Path, like: Checkpoint, dtype: str) -> None:
    written = open_checkpoint(Source(str(folder)))
    shapes = {name: (dtype, info.shape) for name, info in like.tensors.items()}
    if shapes != {name: (info.dtype, info.shape) for name, info in written.tensors.items()}:
        raise ValueError(f"{folder}: what was written is not what was planned")

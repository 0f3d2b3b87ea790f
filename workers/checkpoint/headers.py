"""Safetensors headers: names, shapes and dtypes of a model's tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

MERGEABLE = ("float32", "float16", "bfloat16")
DTYPES = {
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
BYTES_PER_ENTRY = {"float32": 4, "float64": 8, "int64": 8, "int32": 4} | {
    **dict.fromkeys(("float16", "bfloat16", "int16"), 2),
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2", "int8", "uint8", "bool"), 1),
}

_MAX_HEADER = 100_000_000  # bytes, the limit of the safetensors library


@dataclass(frozen=True)
class TensorInfo:
    """The entry of a tensor in a safetensors header."""

    dtype: str
    shape: tuple[int, ...]
    file: Path

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.nbytes_as(self.dtype)

    def nbytes_as(self, dtype: str) -> int:
        """Size in bytes in another dtype."""
        return math.prod(self.shape) * BYTES_PER_ENTRY[dtype]


def read_headers(folder: Path) -> dict[str, TensorInfo]:
    """Every tensor of a model directory, in one file or in shards, in the order of the files.

    The headers decide: tensors that an index leaves out are read too.

    Raises:
        ValueError: if there are no safetensors, or a file is missing, damaged or does not match
            the index.
    """
    if (folder / INDEX).is_file():
        return _sharded(folder)
    if (folder / SINGLE).is_file():
        return read_header(folder / SINGLE)
    if legacy := sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]):
        raise ValueError(
            f"{legacy[0]}: pickled weights are not read because they can run code; load the "
            "model with transformers and call save_pretrained(), which writes safetensors"
        )
    raise ValueError(f"{folder}: no {SINGLE} and no {INDEX}; is this a model directory?")


def read_header(file: Path) -> dict[str, TensorInfo]:
    """Every tensor of one file, in the order of the file.

    Raises:
        ValueError: if it is not a safetensors file, or is truncated or damaged.
    """
    if not file.is_file():
        raise ValueError(f"{file}: does not exist")
    header = _parse(file)
    entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    return {name: _info(name, entry, file) for name, entry in entries}


def check_dtypes(tensors: Mapping[str, TensorInfo]) -> None:
    """Refuses tensors that cannot be merged.

    Raises:
        ValueError: if one is not of a floating-point dtype of 16 or 32 bits.
    """
    for name, info in tensors.items():
        if info.dtype not in MERGEABLE:
            raise _not_mergeable(name, info.dtype, info.file)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a model directory.

    Raises:
        ValueError: if it does not exist or is not a JSON object.
    """
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file}: not found; is this a model directory?") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file}: contains a {type(content).__name__}, not an object")
    return content


def shards_of(folder: Path) -> dict[str, str]:
    """The index of a sharded model: tensor -> file name.

    Raises:
        ValueError: if it is not an index, or names a file outside the folder.
    """
    weight_map = read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{folder / INDEX}: has no weight_map; download the model again")
    for tensor, name in weight_map.items():
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(
                f"{folder / INDEX}: {tensor} is in {name!r}; a shard must be a file in this folder"
            )
    return weight_map


def _sharded(folder: Path) -> dict[str, TensorInfo]:
    index = shards_of(folder)
    tensors: dict[str, TensorInfo] = {}
    for name in sorted(set(index.values())):
        if not (folder / name).is_file():
            raise ValueError(
                f"{folder / name}: this shard is listed in {INDEX} but does not exist; "
                "download it, or copy the whole folder again"
            )
        found = read_header(folder / name)
        if repeated := found.keys() & tensors:
            first = min(repeated)
            raise ValueError(f"{folder / name}: {first} is also in {tensors[first].file.name}")
        tensors |= found
    missing = [n for n in index if n not in tensors]
    if missing:
        raise ValueError(
            f"{folder / index[missing[0]]}: {missing[0]} is missing here, though {INDEX} lists "
            "it; index and shards are from different downloads"
        )
    return tensors


def _parse(file: Path) -> dict[str, Any]:
    """The header: its length in eight bytes, little-endian, then JSON."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, _MAX_HEADER):
            raise ValueError(
                f"{file}: not a safetensors file, or truncated ({size} bytes); download it again"
            )
        try:
            header = json.loads(stream.read(length))
            header.pop("__metadata__", None)
            end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            raise ValueError(
                f"{file}: the safetensors header is damaged; download it again"
            ) from None
    if size != 8 + length + end:
        raise ValueError(
            f"{file}: {size} bytes, but its header describes {8 + length + end}; download it again"
        )
    return dict(header)


def _info(name: str, entry: Mapping[str, Any], file: Path) -> TensorInfo:
    if entry["dtype"] not in DTYPES:
        raise _not_mergeable(name, entry["dtype"], file)
    info = TensorInfo(DTYPES[entry["dtype"]], tuple(entry["shape"]), file)
    first, last = entry["data_offsets"]
    if last - first != info.nbytes:
        raise ValueError(
            f"{file}: {name} has {last - first} bytes, but {entry['dtype']} {list(info.shape)} "
            f"needs {info.nbytes}; the header is damaged, download the file again"
        )
    return info


def _not_mergeable(name: str, dtype: str, file: Path) -> ValueError:
    return ValueError(
        f"{file}: {name} is {dtype}; only {', '.join(MERGEABLE)} can be merged: "
        "of a quantised model, merge the weights it was quantised from"
    )

"""Writes a safetensors file tensor by tensor; only one tensor is in memory at a time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch

from workers.checkpoint.headers import DTYPES, TensorInfo

Tensors = Iterable[tuple[str, torch.Tensor]]
_CODES = {name: code for code, name in DTYPES.items()}

FLOAT16 = "; the largest float16 is 65504, so write it in bfloat16 or float32"


def write_file(file: Path, plan: Mapping[str, TensorInfo], tensors: Tensors) -> str:
    """Writes tensors in the order of the plan; returns the SHA-256 of the file.

    Raises:
        ValueError: if a tensor does not match the plan.
    """
    digest = hashlib.sha256()
    given = iter(tensors)
    with file.open("wb") as out:
        for chunk in _chunks(plan, given):
            out.write(chunk)
            digest.update(chunk)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def only_finite(tensors: Tensors) -> Iterator[tuple[str, torch.Tensor]]:
    """The same tensors.

    Raises:
        ValueError: at a merged tensor that has values that are not finite.
    """
    for name, tensor in tensors:
        if tensor.numel() and not torch.isfinite(torch.stack(tensor.aminmax())).all():
            hint = FLOAT16 if tensor.dtype is torch.float16 else ""
            raise ValueError(f"{name} of the merged model has values that are not finite{hint}")
        yield name, tensor


def _chunks(
    plan: Mapping[str, TensorInfo], given: Iterator[tuple[str, torch.Tensor]]
) -> Iterator[memoryview | bytes]:
    yield _header(plan)
    for name, info in plan.items():
        yield _raw(name, info, next(given))


def _header(plan: Mapping[str, TensorInfo]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, info in plan.items():
        end = start + info.nbytes
        entries[name] = {
            "dtype": _CODES[info.dtype],
            "shape": list(info.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format requires aligned data
    return len(text).to_bytes(8, "little") + text


def _raw(name: str, info: TensorInfo, given: tuple[str, torch.Tensor]) -> memoryview:
    found, tensor = given
    dtype = str(tensor.dtype).removeprefix("torch.")
    if found != name or tuple(tensor.shape) != info.shape or dtype != info.dtype:
        raise ValueError(
            f"planned {name} {info.shape} {info.dtype}, got {found} {tuple(tensor.shape)} {dtype}"
        )
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return raw.numpy().data

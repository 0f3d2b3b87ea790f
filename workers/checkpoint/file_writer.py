"""Writing a safetensors file tensor by tensor: memory of one tensor, whatever the file's size."""

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


def write_file(file: Path, plan: Mapping[str, TensorInfo], tensors: Tensors) -> str:
    """Writes the planned tensors in the plan's order; the SHA-256 of the file.

    Raises:
        ValueError: if a tensor is not the planned one, or has values that are not finite.
    """
    digest = hashlib.sha256()
    given = iter(tensors)
    with file.open("wb") as out:
        for piece in _pieces(plan, given):
            out.write(piece)
            digest.update(piece)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _pieces(
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
    text += b" " * (-len(text) % 8)  # the format wants the data aligned
    return len(text).to_bytes(8, "little") + text


def _raw(name: str, info: TensorInfo, given: tuple[str, torch.Tensor]) -> memoryview:
    found, tensor = given
    dtype = str(tensor.dtype).removeprefix("torch.")
    if found != name or tuple(tensor.shape) != info.shape or dtype != info.dtype:
        raise ValueError(
            f"planned {name} {info.shape} {info.dtype}, "
            f"was given {found} {tuple(tensor.shape)} {dtype}"
        )
    if tensor.numel() and not torch.isfinite(torch.stack(tensor.aminmax())).all():
        raise ValueError(f"{name} of the merged model has values that are not finite")
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return raw.numpy().data

"""A file of changed tensors in the cache: named by content, written once, never half."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workers.checkpoint.headers import TensorInfo
from workers.checkpoint.location import cache_folder

if TYPE_CHECKING:
    import torch


def cached_tensors(
    name: str,
    plan: Mapping[str, TensorInfo],
    tensors: Callable[[], Iterable[tuple[str, torch.Tensor]]],
) -> Path:
    """A safetensors file in the cache, made if it does not exist yet.

    Args:
        name: folder in the cache and name of the file, without its suffix.
        plan: the tensors in order.
        tensors: makes them, in that order.

    Raises:
        ValueError: if the disk is too full, or a tensor does not match the plan.
    """
    file = cache_folder() / f"{name}.safetensors"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        _check_space(file.parent, sum(info.nbytes for info in plan.values()))
        _write(file, plan, tensors())
    return file


def _write(
    file: Path, plan: Mapping[str, TensorInfo], tensors: Iterable[tuple[str, torch.Tensor]]
) -> None:
    from workers.checkpoint.file_writer import write_file  # noqa: PLC0415 - imports torch

    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    os.close(handle)
    try:
        write_file(Path(temporary), plan, tensors)
        Path(temporary).replace(file)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _check_space(folder: Path, nbytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise ValueError(
            f"{folder}: not enough space for changed tensors: they need {nbytes / 1e9:.2f} GB, and "
            f"{free / 1e9:.2f} GB are free; free some space or set XDG_CACHE_HOME to another disk"
        )

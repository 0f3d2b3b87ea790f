"""A model in host memory, once for all processes of a node.

It is a file in shared memory, named by its content. The first process writes it and the others map
it. Each holds a lock, which the operating system releases when the process dies, and every process
removes copies on which there is no lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import torch
from torch import Tensor

if TYPE_CHECKING:
    from workers.merging.model_set import ModelSet

SHARED = Path("/dev/shm")
_PREFIX = "mergefront-"
_ALIGNED = 256

Offsets = dict[str, tuple[slice, torch.dtype]]
"""Bytes and dtype of each tensor in a copy."""


class HostCopy:
    """One model's tensors in shared memory.

    Args:
        model_set: all models, whose content is part of the name.
        model: the name of the model.
        pin: whether to lock its pages for fast transfer; needs CUDA.
        folder: of all copies.

    Raises:
        RuntimeError: if the pages cannot be pinned.
    """

    def __init__(
        self, model_set: ModelSet, model: str, *, pin: bool, folder: Path = SHARED
    ) -> None:
        self.path = _path(model_set, model, folder)
        self._offsets, end = _layout(model_set, model)
        _remove_unused(folder)
        self._lock = _lock_shared(self.path)
        with _lock_exclusive(self.path.with_suffix(".write")):
            if not self.path.exists():
                self._write(model_set, model, end)
        self._bytes = torch.from_file(str(self.path), shared=True, size=end, dtype=torch.uint8)
        self._pinned = pin
        if pin:
            cuda = torch.cuda.cudart()  # type: ignore[no-untyped-call]
            status = cuda.cudaHostRegister(self._bytes.data_ptr(), end, 0)
            if int(status):
                raise RuntimeError(f"{self.path}: CUDA cannot pin its {end} bytes ({status})")

    def flat(self, name: str) -> Tensor:
        """One tensor, flat."""
        part, dtype = self._offsets[name]
        return self._bytes[part].view(dtype)

    def close(self) -> None:
        """Releases the copy; the last process removes it."""
        if self._pinned:
            cuda = torch.cuda.cudart()  # type: ignore[no-untyped-call]
            cuda.cudaHostUnregister(self._bytes.data_ptr())
        self._bytes = torch.empty(0, dtype=torch.uint8)
        self._lock.close()
        _remove_unused(self.path.parent)

    def _write(self, model_set: ModelSet, model: str, size: int) -> None:
        draft = self.path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.truncate(size)
            for name, (part, _) in self._offsets.items():
                file.seek(part.start)
                file.write(model_set.flat(model, name).view(torch.uint8).numpy().data)
        draft.replace(self.path)


def missing_bytes(model_set: ModelSet, folder: Path = SHARED) -> int:
    """Bytes of the models' copies that no other process holds or writes."""
    _remove_unused(folder)
    missing = 0
    for model in model_set.checkpoints:
        _, size = _layout(model_set, model)
        path = _path(model_set, model, folder)
        if not path.exists():
            missing += max(0, size - _allocated(path.with_suffix(".draft")))
    return missing


def _path(model_set: ModelSet, model: str, folder: Path) -> Path:
    return folder / f"{_PREFIX}{os.getuid()}-{model_set.digest()}-{model.encode().hex()}"


def _layout(model_set: ModelSet, model: str) -> tuple[Offsets, int]:
    """The position of each tensor, and the size of the copy."""
    offsets: Offsets = {}
    end = 0
    for name in model_set.names:
        tensor = model_set.flat(model, name)
        offsets[name] = slice(end, end + tensor.nbytes), tensor.dtype
        end += -(-tensor.nbytes // _ALIGNED) * _ALIGNED
    return offsets, end


def _allocated(draft: Path) -> int:
    """Bytes written of a draft, whose file length is that of the copy from the start."""
    try:
        return draft.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _lock_shared(path: Path) -> BinaryIO:
    """Locks the copy, shared with other processes; retries if the lock file was removed."""
    while True:
        lock = path.with_suffix(".lock").open("ab")
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            if os.fstat(lock.fileno()).st_ino == Path(lock.name).stat().st_ino:
                return lock
        except FileNotFoundError:
            pass
        lock.close()


@contextmanager
def _lock_exclusive(path: Path) -> Iterator[None]:
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_unused(folder: Path) -> None:
    """Removes the copies of this user that no process has locked."""
    for path in folder.glob(f"{_PREFIX}{os.getuid()}-*.lock"):
        try:
            with path.open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for suffix in ("", ".write", ".draft", ".lock"):
                    path.with_suffix(suffix).unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue

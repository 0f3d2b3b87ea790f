"""A model in host memory, once for all processes of a node.

A file in shared memory, named by content. The first process that wants it writes it, others map
it; each holds a lock that the kernel lets go when the process dies, and whoever finds a copy that
nobody holds removes it.
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
    from workers.merging.sources import Sources

SHARED = Path("/dev/shm")
_PREFIX = "mergefront-"
_ALIGNED = 256

Places = dict[str, tuple[slice, torch.dtype]]
"""Bytes and dtype of each tensor in a copy."""


class HostCopy:
    """One model's tensors in shared memory.

    Args:
        sources: the models that go together; their content names the copy.
        model: which of them.
        pin: whether to lock its pages for fast transfer; needs CUDA.
        folder: where copies lie.

    Raises:
        RuntimeError: if the pages cannot be pinned.
    """

    def __init__(self, sources: Sources, model: str, *, pin: bool, folder: Path = SHARED) -> None:
        self.path = _path(sources, model, folder)
        self._places, end = _layout(sources, model)
        _remove_unused(folder)
        self._lock = _hold(self.path)
        with _alone(self.path.with_suffix(".write")):
            if not self.path.exists():
                self._write(sources, model, end)
        self._bytes = torch.from_file(str(self.path), shared=True, size=end, dtype=torch.uint8)
        self._pinned = pin
        if pin:
            cuda = torch.cuda.cudart()  # type: ignore[no-untyped-call]
            status = cuda.cudaHostRegister(self._bytes.data_ptr(), end, 0)
            if int(status):
                raise RuntimeError(f"{self.path}: CUDA cannot pin its {end} bytes ({status})")

    def flat(self, name: str) -> Tensor:
        """One tensor, flat."""
        place, dtype = self._places[name]
        return self._bytes[place].view(dtype)

    def close(self) -> None:
        """Lets go of the copy; the last process to do so removes it."""
        if self._pinned:
            cuda = torch.cuda.cudart()  # type: ignore[no-untyped-call]
            cuda.cudaHostUnregister(self._bytes.data_ptr())
        self._bytes = torch.empty(0, dtype=torch.uint8)
        self._lock.close()
        _remove_unused(self.path.parent)

    def _write(self, sources: Sources, model: str, size: int) -> None:
        draft = self.path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.truncate(size)
            for name, (place, _) in self._places.items():
                file.seek(place.start)
                file.write(sources.flat(model, name).view(torch.uint8).numpy().data)
        draft.replace(self.path)


def missing_bytes(sources: Sources, folder: Path = SHARED) -> int:
    """What copies of all models would take beyond those that other processes hold or write."""
    _remove_unused(folder)
    missing = 0
    for model in sources.checkpoints:
        _, size = _layout(sources, model)
        path = _path(sources, model, folder)
        if not path.exists():
            missing += max(0, size - _allocated(path.with_suffix(".draft")))
    return missing


def _path(sources: Sources, model: str, folder: Path) -> Path:
    return folder / f"{_PREFIX}{os.getuid()}-{sources.digest()}-{model.encode().hex()}"


def _layout(sources: Sources, model: str) -> tuple[Places, int]:
    """Where each tensor lies, and where the last one ends."""
    places: Places = {}
    end = 0
    for name in sources.names:
        tensor = sources.flat(model, name)
        places[name] = slice(end, end + tensor.nbytes), tensor.dtype
        end += -(-tensor.nbytes // _ALIGNED) * _ALIGNED
    return places, end


def _allocated(draft: Path) -> int:
    """Bytes of a draft that are written; as a file it has the copy's length from the beginning."""
    try:
        return draft.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _hold(path: Path) -> BinaryIO:
    """Holds the copy, together with others; the lock file may vanish until it is locked."""
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
def _alone(path: Path) -> Iterator[None]:
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_unused(folder: Path) -> None:
    """Removes the copies of this user that no process holds."""
    for path in folder.glob(f"{_PREFIX}{os.getuid()}-*.lock"):
        try:
            with path.open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for suffix in ("", ".write", ".draft", ".lock"):
                    path.with_suffix(suffix).unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue

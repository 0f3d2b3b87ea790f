"""Makes a directory that appears complete or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.new_path import check_absent, sync

UNFINISHED = ".unfinished"
_LOCK = ".lock"
_RESERVE = 64 * 2**20  # bytes that stay free, some of them for the small files


@contextmanager
def atomic_directory(out: Path, *, nbytes: int, force: bool) -> Iterator[Path]:
    """A temporary directory next to `out`; it is renamed to `out` if the block succeeds.

    Temporary directories of killed writers next to `out` are removed.

    Args:
        out: the directory to make.
        nbytes: how much will be written.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` exists without `force`, cannot be made, or the disk is too full.
    """
    check_absent(out, force=force)
    parent = _parent(out)
    out = parent / out.resolve().name
    _check_space(out, parent, nbytes)
    _remove_abandoned(out, parent)
    with temporary_directory(out) as folder:
        yield folder
        (folder / _LOCK).unlink()
        _sync_all(folder)
        folder.chmod(0o755)  # mkdtemp makes it private
        _replace(folder, out, force=force)
        sync(parent)


@contextmanager
def temporary_directory(out: Path) -> Iterator[Path]:
    """A directory next to `out` that is removed after the block.

    If this process is killed, the next one that makes `out` removes it.

    Raises:
        ValueError: if it cannot be made.
    """
    parent = _parent(out)
    prefix = f".{out.resolve().name}."
    folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=UNFINISHED, dir=parent))
    try:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parent(out: Path) -> Path:
    parent = out.parent.resolve()
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{out}: cannot be made: {error.strerror}: {error.filename}") from None
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ValueError(f"{out}: cannot be made: {parent} cannot be written to")
    return parent


def _check_space(out: Path, parent: Path, nbytes: int) -> None:
    free = shutil.disk_usage(parent).free
    if free < nbytes + _RESERVE:
        raise ValueError(
            f"{out}: not enough space: it needs {nbytes / 1e9:.2f} GB and {parent} has "
            f"{free / 1e9:.2f} GB free; choose another disk or free some space"
        )


def _remove_abandoned(out: Path, parent: Path) -> None:
    for abandoned in parent.glob(f".{out.name}.*{UNFINISHED}"):
        try:
            with (abandoned / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(abandoned, ignore_errors=True)
        except OSError:  # its writer is still running, or is just starting or finishing
            continue


def _replace(folder: Path, out: Path, *, force: bool) -> None:
    if not (out.exists() and force):
        try:
            folder.rename(out)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise ValueError(f"{out} was made by another process in the meantime") from None
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=UNFINISHED, dir=out.parent))
    try:
        out.rename(old / out.name)
        folder.rename(out)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _sync_all(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync(path)

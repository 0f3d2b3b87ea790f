"""Making a file or directory: is its path still free, and a file is whole or not there.

Imports nothing that takes time.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def check_absent(
    out: Path, *, force: bool, advice: str = "choose another directory or pass --force"
) -> None:
    """Checks that `out` may be made.

    Raises:
        ValueError: if it exists, without `force`.
    """
    if out.exists() and not force:
        raise ValueError(f"{out} exists already; {advice}")


def write_whole(path: Path, content: bytes | memoryview, *, private: bool = False) -> None:
    """Writes a temporary file, syncs and renames it: a crash leaves the whole file or none.

    Args:
        path: of the file, whose folder is made if it is missing.
        content: of the file.
        private: for its owner only.

    Raises:
        OSError: if it cannot be written; an older file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    path.parent.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
    try:
        handle = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666
        )
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Makes a file, or the names in a folder, survive a crash."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

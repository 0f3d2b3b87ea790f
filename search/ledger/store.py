"""Files under one root, on any file system that pyarrow opens; each appears whole or not at all."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow import fs

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 7  # of an operation on an object store; waits 0.1, 0.2, 0.4, ... seconds between them


class Store:
    """The files of one run.

    Args:
        root: a folder, or the URI of one: `file://`, `s3://`, `gs://`, with pyarrow's options.

    Raises:
        ValueError: if there is no such kind of place.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        try:
            system, path = fs.FileSystem.from_uri(self.root) if "://" in self.root else _local(root)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.root}: not a place for a run: {error}") from None
        self._system: fs.FileSystem = system
        self._path: str = path
        self.is_local = isinstance(self._system, fs.LocalFileSystem)

    def where(self, name: str) -> str:
        """A file's place as a person would write it."""
        root, mark, options = self.root.partition("?")
        return f"{root.rstrip('/')}/{name}{mark}{options}"

    def infos(self, folder: str) -> dict[str, fs.FileInfo]:
        """The files of a folder by name, in order; files being written are left out."""
        infos = self._here(folder) if self.is_local else self._away(folder)
        files = [each for each in infos if each.is_file and not each.base_name.startswith(".")]
        return {each.base_name: each for each in sorted(files, key=lambda each: each.base_name)}

    def info(self, name: str) -> fs.FileInfo:
        """A file's size and time, or that there is none."""
        return self._patiently(lambda: self._system.get_file_info(self._full(name)))

    def exists(self, name: str) -> bool:
        """Whether there is a file."""
        return bool(self.info(name).is_file)

    def read(self, name: str) -> bytes:
        """A whole file.

        Raises:
            FileNotFoundError: if it is not there.
        """
        if self.is_local:
            return Path(self._full(name)).read_bytes()
        return self._patiently(lambda: self._read(name))

    def source(self, name: str) -> Any:
        """A file to read parts of: a path, or its content where parts are no cheaper."""
        return self._full(name) if self.is_local else pa.BufferReader(self.read(name))

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Keeps a file; when this returns it survives a crash."""
        if self.is_local:
            _write_whole(Path(self._full(name)), content)
        else:
            self._patiently(lambda: self._put(name, content))

    def delete(self, name: str) -> None:
        """Removes a file, if it is there."""
        if self.is_local:
            Path(self._full(name)).unlink(missing_ok=True)
        elif self.exists(name):
            self._patiently(lambda: self._system.delete_file(self._full(name)))

    def sweep(self, folder: str) -> None:
        """Removes what a writer that died left half written; only one's own driver may."""
        if self.is_local and (path := Path(self._full(folder))).is_dir():
            for file in path.glob(".*"):
                file.unlink(missing_ok=True)

    def _here(self, folder: str) -> list[fs.FileInfo]:
        """Arrow's own listing fails where a file goes while it looks."""
        path = Path(self._full(folder))
        paths = [str(each) for each in path.iterdir()] if path.is_dir() else []
        found: list[fs.FileInfo] = self._system.get_file_info(paths)
        return found

    def _away(self, folder: str) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self._full(folder), allow_not_found=True)
        return self._patiently(lambda: self._system.get_file_info(selector))

    def _full(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _read(self, name: str) -> bytes:
        with self._system.open_input_file(self._full(name)) as file:
            content: bytes = file.read()
            return content

    def _put(self, name: str, content: bytes | memoryview) -> None:
        # in one piece: closing a stream after a failure would keep the part that was written
        with self._system.open_output_stream(self._full(name)) as stream:
            stream.write(content)

    def _patiently(self, operation: Callable[[], T]) -> T:
        """Object stores fail now and then; every operation here may be done twice."""
        for attempt in range(ATTEMPTS if not self.is_local else 1):
            if attempt:
                time.sleep(0.1 * 2 ** (attempt - 1))
            try:
                return operation()
            except FileNotFoundError:
                raise
            except OSError as error:
                log.info("%s: attempt %d failed: %s", self.root, attempt + 1, error)
                last = error
        raise last


def _local(root: str | Path) -> tuple[fs.FileSystem, str]:
    return fs.LocalFileSystem(), str(Path(root).expanduser().absolute())


def _write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes beside the place, syncs, and moves: after a crash the file is whole or not there."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

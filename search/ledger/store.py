"""Files under one root, on any file system of pyarrow; a file is written completely or not."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow import fs

from workers.new_path import write_whole

log = logging.getLogger(__name__)

T = TypeVar("T")

PROBE = "probe"  # an empty object that shows that a store can be written
ATTEMPTS = 7  # at one operation on an object store, with waits of 0.1, 0.2, 0.4, ... seconds


class Store:
    """The files of one run.

    Args:
        root: a folder or its URI (`file://`, `s3://`, `gs://`), with pyarrow's options.

    Raises:
        ValueError: if the URI is not supported.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        try:
            system, path = fs.FileSystem.from_uri(self.root) if "://" in self.root else _local(root)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.root}: not supported as a run folder: {error}") from None
        self._system: fs.FileSystem = system
        self._path: str = path
        self.is_local = isinstance(self._system, fs.LocalFileSystem)

    def location(self, name: str) -> str:
        """Path or URI of a file, for messages."""
        root, mark, options = self.root.partition("?")
        return f"{root.rstrip('/')}/{name}{mark}{options}"

    def files(self, folder: str) -> dict[str, fs.FileInfo]:
        """The complete files of a folder, by name, in order."""
        infos = self._list_local(folder) if self.is_local else self._list_remote(folder)
        files = [each for each in infos if each.is_file and not each.base_name.startswith(".")]
        return {each.base_name: each for each in sorted(files, key=lambda each: each.base_name)}

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, in order."""
        infos = self._list_local(folder) if self.is_local else self._list_remote(folder)
        return sorted(each.base_name for each in infos if each.type == fs.FileType.Directory)

    def info(self, name: str) -> fs.FileInfo:
        """Size and time of a file, or that it does not exist."""
        return self._retry(lambda: self._system.get_file_info(self._path_of(name)))

    def exists(self, name: str) -> bool:
        """Whether a file exists."""
        return bool(self.info(name).is_file)

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: if it does not exist.
        """
        if self.is_local:
            return Path(self._path_of(name)).read_bytes()
        return self._retry(lambda: self._read(name))

    def source(self, name: str) -> Any:
        """What pyarrow reads a file from: its path, or its content if it is remote."""
        return self._path_of(name) if self.is_local else pa.BufferReader(self.read(name))

    def write(self, name: str, content: bytes | memoryview, *, private: bool = False) -> None:
        """Writes a file durably: when this returns, the file survives a crash.

        Args:
            name: of the file.
            content: of it.
            private: nobody but this user may read it; an object store has its own rules.
        """
        if self.is_local:
            write_whole(Path(self._path_of(name)), content, private=private)
        else:
            self._retry(lambda: self._put(name, content))

    def is_writable(self) -> bool:
        """Whether files can be written now."""
        if self.is_local:
            return os.access(self._path, os.W_OK | os.X_OK)
        try:
            self.write(PROBE, b"")
        except OSError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Deletes a file, if it exists."""
        if self.is_local:
            Path(self._path_of(name)).unlink(missing_ok=True)
        elif self.exists(name):
            self._retry(lambda: self._system.delete_file(self._path_of(name)))

    def remove_partial_files(self, folder: str) -> None:
        """Deletes files that a dead writer left half written; only for the driver of the run."""
        if self.is_local and (path := Path(self._path_of(folder))).is_dir():
            for file in path.glob(".*"):
                file.unlink(missing_ok=True)

    def _list_local(self, folder: str) -> list[fs.FileInfo]:
        """Unlike pyarrow's listing, this does not fail if a file is deleted meanwhile."""
        path = Path(self._path_of(folder))
        paths = [str(each) for each in path.iterdir()] if path.is_dir() else []
        found: list[fs.FileInfo] = self._system.get_file_info(paths)
        return found

    def _list_remote(self, folder: str) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self._path_of(folder), allow_not_found=True)
        return self._retry(lambda: self._system.get_file_info(selector))

    def _path_of(self, name: str) -> str:
        return f"{self._path}/{name}".rstrip("/")

    def _read(self, name: str) -> bytes:
        with self._system.open_input_file(self._path_of(name)) as file:
            content: bytes = file.read()
            return content

    def _put(self, name: str, content: bytes | memoryview) -> None:
        # in one write: closing a stream after an error would store the part already written
        with self._system.open_output_stream(self._path_of(name)) as stream:
            stream.write(content)

    def _retry(self, operation: Callable[[], T]) -> T:
        """Repeats an operation that failed, as object stores do; each may be done twice."""
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

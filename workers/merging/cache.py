"""Statistics on disk: one folder per set of models, written atomically, shared by all workers.

The numbers are JSON, which restores floats exactly. The tables are two arrays that every worker
maps, so that a node holds them once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from workers.merging.statistics import StoredStatistics
from workers.merging.tables import MagnitudeTable

VERSION = 1
"""Of the files and of the algorithms; statistics of another version are computed again."""

ByTensor = dict[str, StoredStatistics]


def default_folder() -> Path:
    """The default folder of statistics, in the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mergefront"


def digest(base: str | None, models: Sequence[str]) -> str:
    """Identifies a set of models by their fingerprints, in order."""
    content = json.dumps([VERSION, base, list(models)])
    return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()


def load_or_compute(folder: Path, compute: Callable[[], ByTensor]) -> ByTensor:
    """The statistics in `folder`; the first worker computes them and the others wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        with _lock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _save(folder, compute())
    return _load(folder)


@contextmanager
def _lock(lock: Path) -> Iterator[None]:
    """Holds a lock that the operating system releases when the process dies."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _save(folder: Path, statistics: ByTensor) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        tables = [table for each in statistics.values() for table in each.tables]
        np.save(draft / "values.npy", _joined([t.values for t in tables], np.dtype(np.float32)))
        np.save(draft / "at_least.npy", _joined([t.at_least for t in tables], np.dtype(np.int64)))
        index = {name: _entry(each) for name, each in statistics.items()}
        (draft / "index.json").write_text(json.dumps(index), encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _joined(arrays: list[np.ndarray[Any, Any]], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.concatenate([np.empty(0, dtype), *arrays])


def _entry(statistics: StoredStatistics) -> dict[str, Any]:
    return {
        "size": statistics.size,
        "gram": statistics.gram.tolist(),
        "l1": statistics.l1,
        "tables": [[len(table.values), table.exact] for table in statistics.tables],
    }


def _load(folder: Path) -> ByTensor:
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    values = np.load(folder / "values.npy", mmap_mode="r")
    at_least = np.load(folder / "at_least.npy", mmap_mode="r")
    statistics, start = {}, 0
    for name, entry in index.items():
        tables = []
        for length, exact in entry["tables"]:
            part = slice(start, start + length)
            tables.append(MagnitudeTable(values[part], at_least[part], exact))
            start += length
        statistics[name] = _statistics(entry, tuple(tables))
    return statistics


def _statistics(entry: Mapping[str, Any], tables: tuple[MagnitudeTable, ...]) -> StoredStatistics:
    return StoredStatistics(entry["size"], np.array(entry["gram"]), tuple(entry["l1"]), tables)

"""Statistics on disk: one folder per set of models, whole or not at all, shared by all workers.

The numbers are JSON (whose floats come back to the last bit); the tables are two arrays that every
worker maps, so that a node holds them once.
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

from workers.merging.statistics import KeptFacts
from workers.merging.tables import Table

VERSION = 1
"""Of the files and of the sums behind them; another version is computed anew."""

Facts = dict[str, KeptFacts]


def default_folder() -> Path:
    """Where statistics lie by default: the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mergefront"


def digest(base: str | None, models: Sequence[str]) -> str:
    """Of the fingerprints of a set of models, in order."""
    content = json.dumps([VERSION, base, list(models)])
    return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()


def load_or_gather(folder: Path, gather: Callable[[], Facts]) -> Facts:
    """The statistics in `folder`; the first worker that wants them gathers, others wait for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        with _alone(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _save(folder, gather())
    return _load(folder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Holds a lock that the kernel lets go when its process dies."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _save(folder: Path, facts: Facts) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        tables = [table for each in facts.values() for table in each.tables]
        np.save(draft / "values.npy", _joined([t.values for t in tables], np.dtype(np.float32)))
        np.save(draft / "at_least.npy", _joined([t.at_least for t in tables], np.dtype(np.int64)))
        index = {name: _entry(each) for name, each in facts.items()}
        (draft / "index.json").write_text(json.dumps(index), encoding="utf-8")
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _joined(arrays: list[np.ndarray[Any, Any]], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.concatenate([np.empty(0, dtype), *arrays])


def _entry(facts: KeptFacts) -> dict[str, Any]:
    return {
        "size": facts.size,
        "gram": facts.gram.tolist(),
        "l1": facts.l1,
        "tables": [[len(table.values), table.exact] for table in facts.tables],
    }


def _load(folder: Path) -> Facts:
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    values = np.load(folder / "values.npy", mmap_mode="r")
    at_least = np.load(folder / "at_least.npy", mmap_mode="r")
    facts, start = {}, 0
    for name, entry in index.items():
        tables = []
        for length, exact in entry["tables"]:
            part = slice(start, start + length)
            tables.append(Table(values[part], at_least[part], exact))
            start += length
        facts[name] = _facts(entry, tuple(tables))
    return facts


def _facts(entry: Mapping[str, Any], tables: tuple[Table, ...]) -> KeptFacts:
    return KeptFacts(entry["size"], np.array(entry["gram"]), tuple(entry["l1"]), tables)

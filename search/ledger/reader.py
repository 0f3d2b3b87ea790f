"""Reads a run, also while a driver writes to it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluators.wording import counted
from search.ledger import parquet
from search.ledger.contents import Contents, find_gaps
from search.ledger.paths import (
    FINISHED,
    INDEXED,
    PROPOSED,
    is_number,
    is_range,
    possible_numbers,
    proposed_name,
)
from search.ledger.trial import Proposal, Trial

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileInfo

    from search.ledger.store import Store

log = logging.getLogger(__name__)

READERS = 8  # threads that read small files


class Reader:
    """Reads the files of a run; a finished trial is read once and kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[str, tuple[object, list[Trial]]] = {}  # by file name
        self.unindexed: set[str] = set()
        """Large files that have no valid index."""

    def contents(self) -> Contents:
        """All trials and proposals.

        Safe while a driver writes: small files are read before large ones, and if something is
        missing everything is read again, because it may have been written meanwhile.
        """
        contents = self._read()
        if not contents.gaps:
            return contents
        again = self._read()
        return replace(again, gaps=again.gaps & contents.gaps)

    def _read(self) -> Contents:
        damage: list[str] = []
        indexed = [name for name in self._store.files(INDEXED) if is_range(name)]
        proposed = {int(name[:-5]) for name in self._store.files(PROPOSED) if is_number(name)}
        found = self.finished(is_number, damage)
        found = self.finished(is_range, damage) | found
        found = self._of_lost_files(indexed, damage) | found
        waiting = self._waiting(sorted(proposed - found.keys()), damage)
        ordered = sorted(found.values(), key=lambda trial: trial.order)
        return Contents(ordered, waiting, damage, find_gaps(found, waiting))

    def documents(self, number: int) -> pa.Table:
        """The scores per document of one finished trial.

        Raises:
            ValueError: if the trial has not finished, or its file is damaged.
        """
        message = f"{self._store.root}: trial {number} has not finished, or its file is missing"
        for name, info in self._store.files(FINISHED).items():
            if number in possible_numbers(name) and number in self.numbers(name, info):
                try:
                    return self._documents(name, number)
                except ValueError as error:  # another file may also have it
                    message = f"{self._store.location(f'{FINISHED}/{name}')}: {error}"
        raise ValueError(message)

    def numbers(self, name: str, info: FileInfo) -> set[int]:
        """Numbers of the trials in a file of `finished/`, if the file or its index can be read."""
        return {trial.number for trial in self._trials_or_damage(name, info, [])}

    def _documents(self, name: str, number: int) -> pa.Table:
        source = self._store.source(f"{FINISHED}/{name}")
        return parquet.read_documents(source, number).drop_columns(["trial"])

    def finished(self, wanted: Callable[[str], bool], damage: list[str]) -> dict[int, Trial]:
        """Finished trials by number, from the wanted files; appends errors to `damage`."""
        infos = {name: info for name, info in self._store.files(FINISHED).items() if wanted(name)}
        with ThreadPoolExecutor(READERS) as threads:
            found = threads.map(
                lambda name: self._trials_or_damage(name, infos[name], damage), infos
            )
        return {trial.number: trial for trials in found for trial in trials}

    def _trials_or_damage(self, name: str, info: FileInfo, damage: list[str]) -> list[Trial]:
        try:
            return self._trials_of(name, info)
        except FileNotFoundError:
            return []  # it has just been moved into a large file
        except ValueError as error:
            return self._trials_of_damaged(name, str(error), damage)

    def _trials_of(self, name: str, info: FileInfo) -> list[Trial]:
        key = (info.size, info.mtime_ns)
        if name in self._cache and self._cache[name][0] == key:
            return self._cache[name][1]
        trials = self._from_index(name, info.size) if is_range(name) else None
        if trials is None:
            trials = parquet.read_trials(self._store.source(f"{FINISHED}/{name}"))
            self.unindexed |= {name} if is_range(name) else set()
        self._cache[name] = key, trials
        return trials

    def _of_lost_files(self, indexed: list[str], damage: list[str]) -> dict[int, Trial]:
        """Trials of large files that are missing although their index, written later, exists."""
        existing = self._store.files(FINISHED)
        lost = [name for name in indexed if name not in existing]
        found = [self._trials_of_damaged(name, "is missing", damage) for name in lost]
        return {trial.number: trial for trials in found for trial in trials}

    def _trials_of_damaged(self, name: str, error: str, damage: list[str]) -> list[Trial]:
        """Trials of an unreadable file, from its index if it has one; appends to `damage`."""
        trials = (self._from_index(name) if is_range(name) else None) or []
        count = counted(len(trials), "trial")
        lost = f"; the scores per document of its {count} are lost" if trials else ""
        damage.append(f"{self._store.location(f'{FINISHED}/{name}')}: {error}{lost}")
        return trials

    def _from_index(self, name: str, size: int | None = None) -> list[Trial] | None:
        try:
            return parquet.read_index(self._store.source(f"{INDEXED}/{name}"), size)
        except FileNotFoundError:
            return None
        except ValueError as error:  # the large file has the same trials
            log.info("%s: %s", self._store.location(f"{INDEXED}/{name}"), error)
            return None

    def _waiting(self, numbers: list[int], damage: list[str]) -> dict[int, Proposal]:
        found = {}
        for number in numbers:
            name = proposed_name(number)
            try:
                found[number] = Proposal.from_dict(json.loads(self._store.read(name)))
            except FileNotFoundError:
                continue  # it has just finished
            except (ValueError, KeyError) as error:
                damage.append(f"{self._store.location(name)}: {error}")
        return found

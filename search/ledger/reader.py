"""Reading a run back, while a driver may be writing it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from search.ledger import rows
from search.ledger.contents import Contents, gaps
from search.ledger.paths import (
    FINISHED,
    INDEXED,
    PROPOSED,
    is_number,
    is_range,
    proposed_name,
    span,
)
from search.ledger.trial import Proposal, Trial

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileInfo

    from search.ledger.store import Store

log = logging.getLogger(__name__)

READERS = 8  # threads that read small files


class Reader:
    """Reads the files of a run, each that never changes once only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, tuple[object, list[Trial]]] = {}  # by file
        self.unindexed: set[str] = set()
        """Files of many that were read themselves, for they have no index that fits."""

    def contents(self) -> Contents:
        """All of the run.

        Safe while a driver writes: a file of its own is looked for before the file of many, and
        what seems to be missing is looked for once more, for it may have come in between.
        """
        contents = self._look()
        if not contents.gaps:
            return contents
        again = self._look()
        return replace(again, gaps=again.gaps & contents.gaps)

    def _look(self) -> Contents:
        damage: list[str] = []
        indexed = [name for name in self._store.infos(INDEXED) if is_range(name)]
        proposed = {int(name[:-5]) for name in self._store.infos(PROPOSED) if is_number(name)}
        found = self.finished(is_number, damage)
        found = self.finished(is_range, damage) | found
        found = self._of_lost(indexed, damage) | found
        waiting = self._waiting(sorted(proposed - found.keys()), damage)
        ordered = sorted(found.values(), key=lambda trial: trial.order)
        return Contents(ordered, waiting, damage, gaps(found, waiting))

    def documents(self, number: int) -> pa.Table:
        """The scores per document of one finished trial.

        Raises:
            ValueError: if the trial has not finished, or its file is damaged.
        """
        wrong = f"{self._store.root}: trial {number} has not finished, or its file is gone"
        for name, info in self._store.infos(FINISHED).items():
            if number in span(name) and number in self.numbers(name, info):
                try:
                    return self._documents(name, number)
                except ValueError as error:  # it may be in another file too
                    wrong = f"{self._store.where(f'{FINISHED}/{name}')}: {error}"
        raise ValueError(wrong)

    def numbers(self, name: str, info: FileInfo) -> set[int]:
        """Of the trials in a file of `finished/`, as far as it or its index can be read."""
        return {trial.number for trial in self._or_damage(name, info, [])}

    def _documents(self, name: str, number: int) -> pa.Table:
        source = self._store.source(f"{FINISHED}/{name}")
        return rows.table_in(source, number).drop_columns(["trial"])

    def finished(self, wanted: Callable[[str], bool], damage: list[str]) -> dict[int, Trial]:
        """Finished trials by number, from files whose names are wanted; damage is added to."""
        infos = {name: info for name, info in self._store.infos(FINISHED).items() if wanted(name)}
        with ThreadPoolExecutor(READERS) as threads:
            found = threads.map(lambda name: self._or_damage(name, infos[name], damage), infos)
        return {trial.number: trial for trials in found for trial in trials}

    def _or_damage(self, name: str, info: FileInfo, damage: list[str]) -> list[Trial]:
        try:
            return self._trials_of(name, info)
        except FileNotFoundError:
            return []  # it has just gone into a file of many
        except ValueError as error:
            return self._salvaged(name, str(error), damage)

    def _trials_of(self, name: str, info: FileInfo) -> list[Trial]:
        key = (info.size, info.mtime_ns)
        if name in self._read and self._read[name][0] == key:
            return self._read[name][1]
        trials = self._from_index(name, info.size) if is_range(name) else None
        if trials is None:
            trials = rows.trials_in(self._store.source(f"{FINISHED}/{name}"))
            self.unindexed |= {name} if is_range(name) else set()
        self._read[name] = key, trials
        return trials

    def _of_lost(self, indexed: list[str], damage: list[str]) -> dict[int, Trial]:
        """Trials whose file of many is gone while its index is there; that one is written later."""
        there = self._store.infos(FINISHED).keys()
        found = [self._salvaged(name, "is gone", damage) for name in indexed if name not in there]
        return {trial.number: trial for trials in found for trial in trials}

    def _salvaged(self, name: str, what: str, damage: list[str]) -> list[Trial]:
        """What is known of the trials of a file that cannot be read; damage is added to."""
        trials = (self._from_index(name) if is_range(name) else None) or []
        kept = f"; of its {len(trials)} trials the scores per document are lost" if trials else ""
        damage.append(f"{self._store.where(f'{FINISHED}/{name}')}: {what}{kept}")
        return trials

    def _from_index(self, name: str, size: int | None = None) -> list[Trial] | None:
        try:
            return rows.trials_of(self._store.source(f"{INDEXED}/{name}"), size)
        except FileNotFoundError:
            return None
        except ValueError as error:  # the large file says the same
            log.info("%s: %s", self._store.where(f"{INDEXED}/{name}"), error)
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
                damage.append(f"{self._store.where(name)}: {error}")
        return found

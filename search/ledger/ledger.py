"""Writing a run and reading it back."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.ledger import rows
from search.ledger.compaction import compact, remove
from search.ledger.lease import Lease, Note, is_alive, notes
from search.ledger.names import (
    BUDGETS,
    FINISHED,
    INDEXED,
    PROPOSED,
    finished_name,
    proposed_name,
)
from search.ledger.store import Store
from search.trial import Proposal, Trial

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileInfo

log = logging.getLogger(__name__)

FORMAT = 1
HEADER, CONFIG = "run.json", "config.yaml"
READERS = 8  # threads that read small files
LOOSE = 256  # finished trials in files of their own before they are put into one


@dataclass(frozen=True)
class Gaps:
    """What was there once, as the numbers that are left tell."""

    numbers: frozenset[int]
    """Of trials."""
    orders: frozenset[int]
    """In which trials finished."""

    def __bool__(self) -> bool:
        return bool(self.numbers or self.orders)

    def __and__(self, other: Gaps) -> Gaps:
        return Gaps(self.numbers & other.numbers, self.orders & other.orders)

    @property
    def said(self) -> list[str]:
        """In words."""
        found = [
            f"{proposed_name(number)} is missing, and so is its outcome"
            for number in sorted(self.numbers)
        ]
        gone = len(self.orders) - len(self.numbers)
        if gone > 0:
            found.append(
                f"{gone} of the files of {FINISHED}/ are missing, with as many finished trials"
            )
        return found


@dataclass(frozen=True)
class Contents:
    """A run as its files tell it at one moment."""

    trials: list[Trial]
    """Finished, in the order of finishing."""
    waiting: dict[int, Proposal]
    """Proposed and not finished, by number, in order."""
    unreadable: list[str]
    """Files that cannot be read, each with what is wrong."""
    gaps: Gaps

    @property
    def damage(self) -> list[str]:
        """Files that cannot be read or are missing, each with what is wrong."""
        return self.unreadable + self.gaps.said

    @property
    def proposals(self) -> dict[int, Proposal]:
        """Every proposal by number, in order."""
        known = {trial.number: trial.proposal for trial in self.trials} | self.waiting
        return dict(sorted(known.items()))


class Ledger:
    """The files of one run.

    Args:
        root: the run's folder, or the URI of one.

    Raises:
        ValueError: if it is no run, or of a format this version does not read.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        self._store = Store(root)
        self._lease: Lease | None = None
        self._compacting: Future[None] | None = None
        self._loose: dict[int, Trial] = {}  # finished here, in files of their own
        self._read: dict[str, tuple[object, list[Trial]]] = {}  # by file: they never change
        try:
            self.header: dict[str, Any] = json.loads(self._store.read(HEADER))
        except FileNotFoundError:
            raise ValueError(f"{root} is not a run: it has no {HEADER}") from None
        except ValueError as error:
            raise ValueError(f"{self._store.where(HEADER)} is damaged: {error}") from None
        if self.header.get("format") != FORMAT:
            raise ValueError(
                f"{self._store.where(HEADER)}: format {self.header.get('format')!r}; "
                f"this version reads {FORMAT}"
            )

    @classmethod
    def create(cls, root: str | Path, header: Mapping[str, Any], config: str) -> Ledger:
        """Begins a run in a folder that holds none.

        Raises:
            ValueError: if a run is there already, a file of the user's would be overwritten, or
                nothing can be written there.
        """
        store, understood = Store(root), config.encode()
        if store.exists(HEADER):
            raise ValueError(
                f"{root} already holds a run; go on with it by `mergefront resume {root}`, "
                "or set another `run:`"
            )
        if store.exists(CONFIG) and store.read(CONFIG) != understood:
            raise ValueError(
                f"{store.where(CONFIG)} is there and belongs to no run; set another `run:`"
            )
        content = json.dumps({"format": FORMAT, **header}, indent=2) + "\n"
        try:
            store.write(CONFIG, understood)
            store.write(HEADER, content.encode())
        except OSError as error:
            raise ValueError(f"run: {root} cannot be written: {error}") from None
        return cls(root)

    @staticmethod
    def is_at(root: str | Path) -> bool:
        """Whether there is a run."""
        return Store(root).exists(HEADER)

    @property
    def is_local(self) -> bool:
        """Whether the run is a folder of this machine."""
        return "://" not in self.root

    @property
    def config(self) -> str:
        """The config's YAML, as it was understood when the run began."""
        return self._store.read(CONFIG).decode()

    @property
    def budget(self) -> dict[str, Any]:
        """What the search may spend: as the run began, or as it was changed last.

        Raises:
            ValueError: if that file is damaged.
        """
        if not (names := list(self._store.infos(BUDGETS))):
            return dict(self.header["budget"])
        name = f"{BUDGETS}/{names[-1]}"
        try:
            budget: dict[str, Any] = json.loads(self._store.read(name))
        except ValueError as error:
            where = self._store.where(name)
            raise ValueError(
                f"{where} is damaged: {error}; without it the one before holds"
            ) from None
        return budget

    # -- writing

    def keep_budget(self, budget: Mapping[str, Any]) -> None:
        """Keeps what the search may spend from now on, if that is another than before."""
        if budget != self.budget:
            last = max(self._store.infos(BUDGETS), default="-1.json")
            number = int(last.removesuffix(".json")) + 1
            self._write(f"{BUDGETS}/{number:06}.json", json.dumps(dict(budget)).encode())

    def propose(self, proposal: Proposal) -> None:
        """Keeps a proposal, before it goes to a worker."""
        self._write(proposed_name(proposal.number), proposal.to_json().encode())

    def finish(self, trial: Trial, documents: pa.Table | None = None) -> None:
        """Keeps what came of a trial, with its scores per document."""
        self._write(finished_name(trial.number), rows.one(trial, documents))
        self._loose[trial.number] = trial
        if self._lease and len(self._loose) >= LOOSE:
            self._compact()

    def _write(self, name: str, content: bytes | memoryview) -> None:
        if self._lease:
            self._lease.check()
        self._store.write(name, content)

    # -- reading

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
        proposed = {int(name[:-5]) for name in self._store.infos(PROPOSED) if _is_number(name)}
        found = self._finished(_is_number, damage)
        found = self._finished(_is_range, damage) | found
        waiting = self._waiting(sorted(proposed - found.keys()), damage)
        ordered = sorted(found.values(), key=lambda trial: trial.order)
        return Contents(ordered, waiting, damage, _gaps(found, waiting))

    def proposals(self) -> dict[int, Proposal]:
        """Every proposal by number, in order."""
        return self.contents().proposals

    def trials(self) -> list[Trial]:
        """Every finished trial, in the order of finishing."""
        return self.contents().trials

    def documents(self, number: int) -> pa.Table:
        """The scores per document of one finished trial.

        Raises:
            ValueError: if the trial has not finished, or its file is damaged.
        """
        for name, info in self._store.infos(FINISHED).items():
            if number in _range(name) and self._has(name, info, number):
                source = self._store.source(f"{FINISHED}/{name}")
                return rows.table_in(source, number).drop_columns(["trial"])
        raise ValueError(f"{self.root}: trial {number} has not finished")

    def _has(self, name: str, info: FileInfo, number: int) -> bool:
        return number in {trial.number for trial in self._trials_of(name, info)}

    def _finished(self, wanted: Callable[[str], bool], damage: list[str]) -> dict[int, Trial]:
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
            damage.append(f"{self._store.where(f'{FINISHED}/{name}')}: {error}")
            return []

    def _trials_of(self, name: str, info: FileInfo) -> list[Trial]:
        key = (info.size, info.mtime_ns)
        if name in self._read and self._read[name][0] == key:
            return self._read[name][1]
        trials = self._from_index(name) if _is_range(name) else None
        if trials is None:
            trials = rows.trials_in(self._store.source(f"{FINISHED}/{name}"))
        self._read[name] = key, trials
        return trials

    def _from_index(self, name: str) -> list[Trial] | None:
        try:
            return rows.trials_of(self._store.source(f"{INDEXED}/{name}"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            log.warning("%s: %s; it is made again", self._store.where(f"{INDEXED}/{name}"), error)
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

    # -- the driver

    @contextmanager
    def driving(self, *, takeover: bool = False) -> Iterator[Lease]:
        """Holds the run for this driver.

        Args:
            takeover: break the hold of another driver, that is surely dead.

        Raises:
            RunBusyError: if another driver holds it.
        """
        lease = Lease(self._store, takeover=takeover)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="compaction") as self._threads:
                self._lease = lease
                self._tidy()
                yield lease
        finally:
            self._lease = None
            lease.release()

    @property
    def driver(self) -> Note | None:
        """What the living driver that holds the run says of itself."""
        living = (note for note, renewed in notes(self._store).values() if is_alive(note, renewed))
        return next(living, None)

    @property
    def is_driven(self) -> bool:
        """Whether a living driver holds the run."""
        return self.driver is not None

    def _tidy(self) -> None:
        """Finishes what a driver that died left half done."""
        for folder in (PROPOSED, FINISHED, INDEXED, BUDGETS):
            self._store.sweep(folder)
        ignored: list[str] = []  # damage: `contents` tells of it
        self._loose = self._finished(_is_number, ignored)
        together = self._finished(_is_range, ignored)
        proposed = {int(name[:-5]) for name in self._store.infos(PROPOSED) if _is_number(name)}
        remove(self._store, (self._loose.keys() | proposed) & together.keys())
        self._loose = {n: trial for n, trial in self._loose.items() if n not in together}

    def _compact(self) -> None:
        if self._compacting is not None:
            if not self._compacting.done():
                return
            self._compacting.result()
        trials, self._loose = self._loose, {}
        self._compacting = self._threads.submit(compact, self._store, trials)


def _is_number(name: str) -> bool:
    return re.fullmatch(r"\d{6,}\.\w+", name) is not None


def _is_range(name: str) -> bool:
    return re.fullmatch(r"\d{6,}-\d{6,}\.parquet", name) is not None


def _range(name: str) -> range:
    first, _, last = name.partition(".")[0].partition("-")
    return range(int(first), int(last or first) + 1)


def _gaps(found: Mapping[int, Trial], waiting: Mapping[int, Proposal]) -> Gaps:
    orders = {trial.order for trial in found.values()}
    return Gaps(_missing(found.keys() | waiting.keys()), _missing(orders))


def _missing(known: Collection[int]) -> frozenset[int]:
    return frozenset(range(max(known, default=-1) + 1)).difference(known)

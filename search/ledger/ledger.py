"""Reads and writes the files of one run."""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.ledger import parquet
from search.ledger.compaction import compact, recover
from search.ledger.driver_record import DriverRecord, is_alive, read_records
from search.ledger.lease import Lease
from search.ledger.paths import (
    AVERAGES,
    BUDGETS,
    FINISHED,
    ORDER,
    PROPOSED,
    REPORT,
    SELECTION,
    finished_name,
    is_number,
    proposed_name,
    scores_name,
    simplified_name,
)
from search.ledger.reader import Reader
from search.ledger.store import Store
from search.ledger.trial import FIRST_AVERAGE

if TYPE_CHECKING:
    import pyarrow as pa

    from search.ledger.contents import Contents
    from search.ledger.trial import Proposal, Trial

log = logging.getLogger(__name__)

FORMAT = 1
HEADER, CONFIG = "run.json", "config.yaml"
SMALL_FILES = 256  # so many finished trials in small files are merged into a large one


class Ledger:
    """The files of one run.

    Args:
        root: the run's folder or its URI.

    Raises:
        ValueError: if it is not a run, or has a format that this version does not read.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        self._store = Store(root)
        self._reader = Reader(self._store)
        self._lease: Lease | None = None
        self._compacting: Future[None] | None = None
        self._in_small_files: dict[int, Trial] = {}
        try:
            self.header: dict[str, Any] = json.loads(self._store.read(HEADER))
        except NotADirectoryError:
            raise ValueError(
                f"{root} is a file, not a run; give the folder that `run:` of a config names"
            ) from None
        except FileNotFoundError:
            raise ValueError(
                f"{root} is not a run: it has no {HEADER}; give the folder that `run:` of a config "
                "names"
            ) from None
        except ValueError as error:
            raise ValueError(f"{self._store.location(HEADER)} is damaged: {error}") from None
        if self.header.get("format") != FORMAT:
            raise ValueError(
                f"{self._store.location(HEADER)}: format {self.header.get('format')!r}; "
                f"this version reads {FORMAT}"
            )

    @classmethod
    def create(cls, root: str | Path, header: Mapping[str, Any], config: str) -> Ledger:
        """Creates a run in a folder that has none.

        Raises:
            ValueError: if the folder has a run or another file `config.yaml`, or cannot be written.
        """
        cls.check_free(root)
        store, config_yaml = Store(root), config.encode()
        if store.exists(CONFIG) and store.read(CONFIG) != config_yaml:
            raise ValueError(
                f"{store.location(CONFIG)} exists and belongs to no run; set another `run:`"
            )
        content = json.dumps({"format": FORMAT, **header}, indent=2) + "\n"
        try:
            store.write(CONFIG, config_yaml)
            store.write(HEADER, content.encode())
        except OSError as error:
            raise ValueError(f"run: {root} cannot be written: {error}") from None
        return cls(root)

    @staticmethod
    def is_at(root: str | Path) -> bool:
        """Whether a folder or URI has a run."""
        return Store(root).exists(HEADER)

    @classmethod
    def check_free(cls, root: str | Path) -> None:
        """Finds out whether a run can be created in a folder.

        Raises:
            ValueError: if it has one already.
        """
        if cls.is_at(root):
            raise ValueError(
                f"{root} already holds a run; continue it by `mergefront resume {root}`, "
                "or set another `run:`"
            )

    @property
    def is_local(self) -> bool:
        """Whether the run is a folder of this machine."""
        return "://" not in self.root

    @property
    def config(self) -> str:
        """The config as YAML, with the defaults of the time when the run was created."""
        return self._store.read(CONFIG).decode()

    @property
    def budget(self) -> dict[str, Any]:
        """The latest budget: that of the config, or the last one recorded.

        Raises:
            ValueError: if its file is damaged.
        """
        if not (names := list(self._store.files(BUDGETS))):
            return dict(self.header["budget"])
        name = f"{BUDGETS}/{names[-1]}"
        try:
            budget: dict[str, Any] = json.loads(self._store.read(name))
        except ValueError as error:
            where = self._store.location(name)
            raise ValueError(
                f"{where} is damaged: {error}; if you delete it, the budget before it applies"
            ) from None
        return budget

    @property
    def order(self) -> dict[str, tuple[int, ...]] | None:
        """Task -> document ids in the order in which stages take them; None before the first.

        Raises:
            ValueError: if its file is damaged.
        """
        try:
            content = json.loads(self._store.read(ORDER))
            return {str(task): tuple(map(int, ids)) for task, ids in content.items()}
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError) as error:
            where = self._store.location(ORDER)
            raise ValueError(
                f"{where} is damaged: {error}; if you delete it, it is made again"
            ) from None

    @property
    def version(self) -> Hashable:
        """Another value after each change of trials, proposals, budget or scores; reads no file."""
        folders = (FINISHED, PROPOSED, BUDGETS, AVERAGES, SELECTION, REPORT)
        files = (each for folder in folders for each in self._store.files(folder).values())
        return tuple((each.path, each.size, each.mtime_ns) for each in files)

    # -- writing

    def record_budget(self, budget: Mapping[str, Any]) -> None:
        """Records the budget from now on, if it differs from the one before."""
        if budget != self.budget:
            last = max(self._store.files(BUDGETS), default="-1.json")
            number = int(last.removesuffix(".json")) + 1
            self._write(f"{BUDGETS}/{number:06}.json", json.dumps(dict(budget)).encode())

    def record_order(self, order: Mapping[str, Sequence[int]]) -> None:
        """Records the order in which stages take the search documents, unless there is one."""
        if self.order is None:
            content = {task: list(ids) for task, ids in order.items()}
            self._write(ORDER, json.dumps(content).encode())

    def propose(self, proposal: Proposal) -> None:
        """Records a proposal, before a worker receives it."""
        self._write(proposed_name(proposal.number), proposal.to_json().encode())

    def finish(self, trial: Trial, documents: pa.Table | None = None) -> None:
        """Records a finished trial, with its scores per document."""
        self._write(finished_name(trial.number), parquet.trial_file(trial, documents))
        self._in_small_files[trial.number] = trial
        if self._lease and len(self._in_small_files) >= SMALL_FILES:
            self._compact()

    def record_scores(self, documents: str, trial: Trial, table: pa.Table | None) -> None:
        """Records a trial's scores on the `selection` or `report` documents, or an average's."""
        self._write(scores_name(documents, trial.number), parquet.trial_file(trial, table))

    def record_simplified(self, documents: str, trial: Trial, table: pa.Table | None) -> None:
        """Records the scores of a shorter recipe than a trial's, under its digest."""
        name = simplified_name(documents, trial.proposal.digest)
        self._write(name, parquet.trial_file(trial, table))

    def _write(self, name: str, content: bytes | memoryview) -> None:
        if self._lease:
            self._lease.check()
        self._store.write(name, content)

    # -- reading

    def contents(self) -> Contents:
        """All trials and proposals; safe while a driver writes."""
        return self._reader.contents()

    def proposals(self) -> dict[int, Proposal]:
        """Every proposal by number, in order."""
        return self.contents().proposals

    def trials(self) -> list[Trial]:
        """Every finished trial, in the order of finishing."""
        return self.contents().trials

    def documents(self, number: int) -> pa.Table:
        """The scores per document of one finished trial, or of an average that a verdict has tried.

        Raises:
            ValueError: if the trial has not finished, or its file is damaged.
        """
        if number >= FIRST_AVERAGE:
            return self.scores_on("search", number)[1]
        return self._reader.documents(number)

    def scored_on(self, documents: str) -> set[int]:
        """The trials with recorded scores on the `selection` or `report` documents."""
        return {
            int(name.partition(".")[0]) for name in self._store.files(documents) if is_number(name)
        }

    def scores_on(self, documents: str, number: int) -> tuple[Trial, pa.Table]:
        """A trial with its scores on the `selection` or `report` documents, and those per document.

        Raises:
            ValueError: if the file is damaged.
        """
        return self._scores(scores_name(documents, number))

    def simplified(self, documents: str, digest: str) -> tuple[Trial, pa.Table] | None:
        """The recorded scores of a shorter recipe; None if it has not been scored.

        Raises:
            ValueError: if the file is damaged.
        """
        name = simplified_name(documents, digest)
        return self._scores(name) if self._store.exists(name) else None

    def _scores(self, name: str) -> tuple[Trial, pa.Table]:
        try:
            (trial,) = parquet.read_trials(self._store.source(name))
            return trial, parquet.read_documents(self._store.source(name))
        except ValueError as error:
            raise ValueError(
                f"{self._store.location(name)}: {error}; if you delete it, it is scored again"
            ) from None

    def averages(self) -> list[Trial]:
        """The averages of trials that a verdict has scored on the search documents, by number."""
        found: list[Trial] = []
        for number in sorted(self.scored_on(AVERAGES)):
            name = scores_name(AVERAGES, number)
            try:
                found += parquet.read_trials(self._store.source(name))
            except ValueError as error:
                where = self._store.location(name)
                log.warning("%s: %s; if you delete it, it is scored again", where, error)
        return found

    # -- the driver

    @contextmanager
    def driving(self, *, takeover: bool = False) -> Iterator[Lease]:
        """The lease of this driver on the run, which the ledger checks before it writes.

        Args:
            takeover: break the lease of another driver, which must be dead.

        Raises:
            RunBusyError: if another driver has the lease.
        """
        lease = Lease(self._store, takeover=takeover)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="compaction") as self._threads:
                self._lease = lease
                self._in_small_files = recover(self._store, self._reader)
                yield lease
        finally:
            self._lease = None
            lease.release()

    @property
    def driver(self) -> DriverRecord | None:
        """The record of the living driver, or None."""
        records = read_records(self._store).values()
        return next((record for record, renewed in records if is_alive(record, renewed)), None)

    def _compact(self) -> None:
        if self._compacting is not None:
            if not self._compacting.done():
                return
            self._compacting.result()
        trials, self._in_small_files = self._in_small_files, {}
        assert self._lease is not None, "only a driver compacts"
        self._compacting = self._threads.submit(compact, self._store, trials, self._lease.check)

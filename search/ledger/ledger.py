"""The files of one run, and the driver that holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.ledger import rows
from search.ledger.compaction import compact, tidy
from search.ledger.drivers import DriverRecord, is_alive, read_records
from search.ledger.lease import Lease
from search.ledger.paths import BUDGETS, finished_name, proposed_name
from search.ledger.reader import Reader
from search.ledger.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from search.ledger.contents import Contents
    from search.ledger.trial import Proposal, Trial

FORMAT = 1
HEADER, CONFIG = "run.json", "config.yaml"
LOOSE = 256  # finished trials in files of their own before they are put into one


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
        self._reader = Reader(self._store)
        self._lease: Lease | None = None
        self._compacting: Future[None] | None = None
        self._loose: dict[int, Trial] = {}  # finished here, in files of their own
        try:
            self.header: dict[str, Any] = json.loads(self._store.read(HEADER))
        except NotADirectoryError:
            raise ValueError(
                f"{root} is a file, not a run; give the folder that `run:` of a config names"
            ) from None
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
        """All of the run; safe while a driver writes."""
        return self._reader.contents()

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
        return self._reader.documents(number)

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
                self._loose = tidy(self._store, self._reader)
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
        trials, self._loose = self._loose, {}
        assert self._lease is not None, "only a driver compacts"
        self._compacting = self._threads.submit(compact, self._store, trials, self._lease.check)

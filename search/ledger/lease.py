"""One driver at a time: the lease of a driver is its record in the run, renewed while it lives.

It needs nothing of a file system but whole files, so it works on an object store too. A driver
first writes its record and then looks for others: of two that start at the same moment at least one
sees the other, and a driver that sees another living one withdraws.
"""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from search.ledger.driver_record import DRIVERS, EXPIRY, DriverRecord, read_records
from search.ledger.store import Store

RENEWAL = 5.0  # seconds between two renewals
ATTEMPTS = 4  # to acquire the lease, when several drivers start at the same moment


class RunBusyError(RuntimeError):
    """Another driver works on this run."""


class Lease:
    """The right of one driver to write to a run.

    Args:
        store: the run's files.
        takeover: break the lease of another driver, if there is one.

    Raises:
        RunBusyError: if another driver has the lease; the message says which, and since when.
    """

    def __init__(self, store: Store, *, takeover: bool = False) -> None:
        self._store = store
        self._name = f"{DRIVERS}/{secrets.token_hex(8)}.json"
        self._record = DriverRecord.of_this_process()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._is_lost = False
        self._renewed = _now()
        self._acquire(takeover)
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Makes sure that this driver still has the lease.

        Raises:
            RunBusyError: if another driver has broken it.
        """
        if _now() - self._renewed > EXPIRY:
            self._renew()  # this process was suspended, or its file system was unreachable
        if self._is_lost:
            raise self._taken_over()

    def report(self, report: Mapping[str, Any]) -> None:
        """Sets the state of the search that the record shows from its next renewal on."""
        self._record = replace(self._record, report=dict(report))

    def release(self) -> None:
        """Ends the lease."""
        self._ended.set()
        self._thread.join()
        self._store.delete(self._name)

    def _acquire(self, takeover: bool) -> None:
        for attempt in range(ATTEMPTS):
            self._write()
            try:
                other = self._living_driver(takeover)
            except ValueError as error:
                self._store.delete(self._name)
                raise RunBusyError(str(error)) from None
            if other is None:
                break
            self._store.delete(self._name)
            if other.token > self._record.token and attempt + 1 < ATTEMPTS:
                time.sleep(random.uniform(0.05, 0.3))  # it may have started at the same moment
                continue
            raise RunBusyError(
                f"{self._store.root} is being searched by {other.who} since {other.since}; "
                "if that driver is certainly dead, --takeover breaks its lease"
            )
        if not self._store.exists(self._name):
            raise self._taken_over()

    def _living_driver(self, takeover: bool) -> DriverRecord | None:
        """Another living driver, or None; removes the records of dead ones, at a takeover all."""
        deadline = time.monotonic() + EXPIRY
        first_renewals: dict[str, int] = {}
        while True:
            is_undecided = False
            for name, (record, renewed) in self._others().items():
                is_renewed = renewed != first_renewals.setdefault(name, renewed)
                state = _state(record, is_renewed, time.monotonic() >= deadline)
                if takeover and state != "dead":
                    self._break_lease_of(record)
                elif state == "alive":
                    return record
                elif state == "unknown":
                    is_undecided = True
                    continue
                self._store.delete(name)
            if not is_undecided:
                # a driver whose lease was broken needs time to notice before the run is read
                time.sleep(2 * RENEWAL if self._record.broke else 0.0)
                return None
            time.sleep(1.0)
            self._write()  # others must see that this driver is waiting

    def _others(self) -> dict[str, tuple[DriverRecord, int]]:
        return {
            name: each for name, each in read_records(self._store).items() if name != self._name
        }

    def _break_lease_of(self, other: DriverRecord) -> None:
        self._record = replace(self._record, broke=(*self._record.broke, other.token))
        self._write()

    def _keep_renewing(self) -> None:
        while not self._ended.wait(RENEWAL):
            self._renew()

    def _renew(self) -> None:
        with self._lock:
            try:
                if not self._store.exists(self._name):
                    self._lose()
                    return
                self._write()
                if self._is_broken():  # since `exists`, so that this record was written again
                    self._store.delete(self._name)
                    self._lose()
            except (OSError, ValueError):
                return  # unreachable for a moment: `check` renews before anything is written

    def _lose(self) -> None:
        self._is_lost = True
        self._ended.set()

    def _write(self) -> None:
        self._store.write(self._name, json.dumps(vars(self._record)).encode())
        self._renewed = _now()

    def _is_broken(self) -> bool:
        return any(self._record.token in other.broke for other, _ in self._others().values())

    def _taken_over(self) -> RunBusyError:
        return RunBusyError(f"{self._store.root} was taken over by another driver")


@contextmanager
def claimed(root: str | Path) -> Iterator[None]:
    """The lease on a place in which a run is to be created, so that only one process creates it.

    Raises:
        RunBusyError: if another process creates a run there, or searches.
        OSError: if nothing can be written there.
    """
    lease = Lease(Store(root))
    try:
        yield
    finally:
        lease.release()


def _state(
    record: DriverRecord, is_renewed: bool, is_late: bool
) -> Literal["alive", "dead", "unknown"]:
    """The state of a driver: on another machine only a renewal shows that it is alive."""
    if record.is_local:
        return "alive" if record.is_running else "dead"
    if is_renewed:
        return "alive"
    return "dead" if is_late else "unknown"


def _now() -> float:
    """Seconds on a clock that also runs while the machine is suspended, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

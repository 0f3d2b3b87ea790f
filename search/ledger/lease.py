"""One driver at a time: a driver leaves a note in the run and renews it while it lives.

Nothing but whole files is asked of the file system, so it works on an object store too. Who wants
the run writes a note first and looks for others' afterwards: of two at the same moment at least one
sees the other, and who sees a living one withdraws.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.ledger.store import Store

DRIVERS = "drivers"
BEAT = 5.0  # seconds between two renewals
EXPIRY = 30.0  # seconds without one after which a driver on another machine counts as dead


class RunBusyError(RuntimeError):
    """Another driver works on this run."""


@dataclass(frozen=True)
class Note:
    """What a driver says of itself."""

    token: str
    who: str
    since: str
    machine: str
    pid: int
    began: int
    """Of the process, in clock ticks since the machine started: process ids come back."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """How the search goes: workers, what is running."""
    broke: tuple[str, ...] = ()
    """Tokens of the drivers whose hold it broke."""

    @property
    def is_here(self) -> bool:
        """Whether its driver runs, or ran, on this machine."""
        return self.machine == _machine()

    @property
    def is_running(self) -> bool:
        """Whether its process lives; only to be asked on its own machine."""
        return _began(self.pid) == self.began


def notes(store: Store) -> dict[str, tuple[Note, int]]:
    """The drivers' notes by file name, each with a number that a renewal changes.

    Raises:
        ValueError: if one cannot be read and is so young that its driver may live.
    """
    found = {}
    for name, info in store.infos(DRIVERS).items():
        try:
            content = json.loads(store.read(f"{DRIVERS}/{name}"))
            found[name] = Note(**content), info.mtime_ns or 0
        except FileNotFoundError:
            continue
        except (ValueError, TypeError) as error:
            if time.time() - (info.mtime_ns or 0) / 1e9 > EXPIRY:
                continue  # a living driver would have written it anew
            raise ValueError(
                f"{store.where(f'{DRIVERS}/{name}')}: a driver's note that cannot be read "
                f"({error}); delete it if no driver works on this run, or wait {EXPIRY:g} seconds"
            ) from None
    return found


def is_alive(note: Note, renewed: int) -> bool:
    """Whether a driver lives, as far as a look at its note tells."""
    if note.is_here:
        return note.is_running
    return time.time() - renewed / 1e9 < EXPIRY


class Lease:
    """This driver's hold on a run.

    Args:
        store: the run's files.
        takeover: break the hold of whoever has it.

    Raises:
        RunBusyError: if another driver holds the run; the message says who, and since when.
    """

    def __init__(self, store: Store, *, takeover: bool = False) -> None:
        self._store = store
        self._name = f"{DRIVERS}/{secrets.token_hex(8)}.json"
        self._note = _note()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._lost = False
        self._renewed = _now()
        self._acquire(takeover)
        self._beating = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._beating.start()

    def check(self) -> None:
        """Makes sure that the run is still this driver's.

        Raises:
            RunBusyError: if another driver has taken it over, or may have by now.
        """
        if _now() - self._renewed > EXPIRY:
            self._renew()  # this process was asleep, or its file system was away
        if self._lost:
            raise RunBusyError(f"{self._store.root} was taken over by another driver")

    def report(self, report: Mapping[str, Any]) -> None:
        """What the note says of the search from its next renewal on."""
        self._note = replace(self._note, report=dict(report))

    def release(self) -> None:
        """Lets go of the run."""
        self._ended.set()
        self._beating.join()
        self._store.delete(self._name)

    def _acquire(self, takeover: bool) -> None:
        for attempt in range(4):
            self._write()
            try:
                holder = self._living(takeover)
            except ValueError as error:
                self._store.delete(self._name)
                raise RunBusyError(str(error)) from None
            if holder is None:
                break
            self._store.delete(self._name)
            if holder.token > self._note.token and attempt < 3:
                time.sleep(random.uniform(0.05, 0.3))  # perhaps it has just begun as well
                continue
            raise RunBusyError(
                f"{self._store.root} is being searched by {holder.who} since {holder.since}; "
                "if that one is surely gone, --takeover breaks its hold"
            )
        if not self._store.exists(self._name):
            raise RunBusyError(f"{self._store.root} was taken over by another driver")

    def _living(self, takeover: bool) -> Note | None:
        """Another living driver. The notes of dead ones are removed.

        One whose hold is broken has time to notice before the run is read.
        """
        deadline = time.monotonic() + EXPIRY
        seen: dict[str, int] = {}
        while True:
            doubtful = False
            for name, (note, renewed) in notes(self._store).items():
                if f"{DRIVERS}/{name}" == self._name:
                    continue
                dead = note.is_here and not note.is_running
                if takeover and not dead:
                    broken = (*self._note.broke, note.token)
                    self._note = replace(self._note, broke=broken)
                    self._write()
                    self._store.delete(f"{DRIVERS}/{name}")
                    continue
                unsure = not note.is_here and seen.setdefault(name, renewed) == renewed
                if dead or (unsure and time.monotonic() >= deadline):
                    self._store.delete(f"{DRIVERS}/{name}")
                elif unsure:  # it may be dead: watch for a renewal
                    doubtful = True
                else:
                    return note
            if not doubtful:
                time.sleep(2 * BEAT if self._note.broke else 0.0)
                return None
            time.sleep(1.0)
            self._write()  # others must see that this one is waiting

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            self._renew()

    def _renew(self) -> None:
        with self._lock:
            try:
                if not self._store.exists(self._name):
                    self._lose()
                    return
                self._write()
                if self._is_broken():  # between the look and the write
                    self._store.delete(self._name)
                    self._lose()
            except (
                OSError,
                ValueError,
            ):  # out of reach for a moment: `check` decides if it matters
                return

    def _lose(self) -> None:
        self._lost = True
        self._ended.set()

    def _write(self) -> None:
        self._store.write(self._name, json.dumps(vars(self._note)).encode())
        self._renewed = _now()

    def _is_broken(self) -> bool:
        """Whether another driver has taken the run over."""
        others = [note for note, _ in notes(self._store).values()]
        return any(self._note.token in note.broke for note in others)


def _now() -> float:
    """Seconds that go on while the machine is suspended, where a system counts those."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _note() -> Note:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    pid, host = os.getpid(), os.uname().nodename
    return Note(
        secrets.token_hex(8),
        f"process {pid} on {host}",
        since,
        _machine(),
        pid,
        _began(pid) or 0,
    )


def _machine() -> str:
    """This boot of this machine, and what process ids mean in it: containers count their own.

    Where a system does not say, no two processes are on one machine, and only time tells.
    """
    if not Path("/proc/self/ns/pid").exists():
        return secrets.token_hex(8)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{os.uname().nodename} {boot} {Path('/proc/self/ns/pid').readlink()}"


def _began(pid: int) -> int | None:
    """When a process of this machine began, or None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])

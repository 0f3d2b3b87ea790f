"""The records that drivers write into a run, one file each, rewritten while the driver lives."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from search.ledger.process import machine_id, start_ticks

if TYPE_CHECKING:
    from search.ledger.store import Store

DRIVERS = "drivers"
EXPIRY = 30.0  # seconds without a renewal after which a driver on another machine counts as dead


@dataclass(frozen=True)
class DriverRecord:
    """What a driver writes about itself; the fields are the keys of its JSON file."""

    token: str
    who: str
    since: str
    machine: str
    pid: int
    began: int
    """When its process started, in clock ticks: a process id may be used again."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """State of the search: workers, running trials."""
    broke: tuple[str, ...] = ()
    """Tokens of the drivers whose lease it broke."""

    @classmethod
    def of_this_process(cls) -> DriverRecord:
        """A new record of this process."""
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        pid = os.getpid()
        who = f"process {pid} on {os.uname().nodename}"
        return cls(secrets.token_hex(8), who, since, machine_id(), pid, start_ticks(pid) or 0)

    @property
    def is_local(self) -> bool:
        """Whether its driver runs, or ran, on this machine."""
        return self.machine == machine_id()

    @property
    def is_running(self) -> bool:
        """Whether its process is running; only valid for a local driver."""
        return start_ticks(self.pid) == self.began


def read_records(store: Store) -> dict[str, tuple[DriverRecord, int]]:
    """The drivers' records by file name, each with the time of its last renewal in nanoseconds.

    Raises:
        ValueError: if a record cannot be read and is so new that its driver may be alive.
    """
    found = {}
    for file, info in store.files(DRIVERS).items():
        name, renewed = f"{DRIVERS}/{file}", info.mtime_ns or 0
        try:
            found[name] = DriverRecord(**json.loads(store.read(name))), renewed
        except FileNotFoundError:
            continue
        except (ValueError, TypeError) as error:
            if not _is_recent(renewed):
                continue  # a living driver would have written it again
            raise ValueError(
                f"{store.location(name)}: a driver's record that cannot be read ({error}); "
                f"delete it if no driver works on this run, or wait {EXPIRY:g} seconds"
            ) from None
    return found


def is_alive(record: DriverRecord, renewed: int) -> bool:
    """Whether a driver seems to be alive, judged by its record alone."""
    return record.is_running if record.is_local else _is_recent(renewed)


def _is_recent(renewed: int) -> bool:
    return time.time() - renewed / 1e9 <= EXPIRY

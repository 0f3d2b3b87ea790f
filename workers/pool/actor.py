"""The actor that a worker lives in.

It begins at once, so that it is known where a worker starts slowly, or fails to.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ray

from workers.candidate import BEGINNING, Candidate, Outcome

TAIL = 20  # lines of a worker's log that its death is told with


class Works(Protocol):
    """What a berth asks of a worker."""

    def ready(self) -> str: ...

    def evaluate(self, candidate: Candidate) -> Outcome: ...


@dataclass(frozen=True)
class Place:
    """Where a worker lives."""

    node: str
    """Ray's id of it."""
    host: str
    pid: int
    log: str
    """The file that its standard error goes to."""

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Berth:
    """Holds one worker."""

    def where(self) -> Place:
        """This process."""
        node: str = ray.get_runtime_context().get_node_id()
        log = str(Path("/proc/self/fd/2").readlink()) if Path("/proc/self/fd/2").exists() else ""
        return Place(node, socket.gethostname(), os.getpid(), log)

    def begin(self, make: Callable[[Any], Works], setup: object) -> str:
        """Makes the worker, whose log says how far it is; its name."""
        logging.basicConfig(format="%(asctime)s %(levelname).1s %(name)s  %(message)s")
        logging.getLogger("workers").setLevel(logging.INFO)
        self._worker = make(setup)
        return self._worker.ready()

    def evaluate(self, candidate: Candidate) -> Outcome:
        """As the worker does."""
        return self._worker.evaluate(candidate)


def tail(path: str, lines: int = TAIL) -> str:
    """The last lines of a log; nothing if it is not there."""
    file = Path(path)
    if not path or not file.is_file():
        return ""
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def how_far(path: str) -> str:
    """What a worker that begins has said last; nothing if its log lies on another machine."""
    told = [line.partition(BEGINNING)[2] for line in tail(path).splitlines() if BEGINNING in line]
    return told[-1] if told else ""

"""The Ray actor around one worker, and the log of its process.

The actor exists before its worker is created, so the pool knows where a worker starts slowly or
fails to start.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ray

from workers.candidate import PREPARING, Candidate, Outcome

if TYPE_CHECKING:
    from evaluators.stages import Stages

LOG_LINES = 20  # of a dead worker's log, quoted in the error


class Worker(Protocol):
    """What an actor needs of its worker."""

    def ready(self) -> str: ...

    def evaluate(self, candidate: Candidate) -> Outcome: ...


@dataclass(frozen=True)
class Process:
    """The process of an actor."""

    node: str
    """Ray's id of its node."""
    host: str
    pid: int
    log: str
    """Path of its standard error."""

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class WorkerActor:
    """Holds one worker."""

    def process(self) -> Process:
        """The process that the actor runs in."""
        node: str = ray.get_runtime_context().get_node_id()
        log = str(Path("/proc/self/fd/2").readlink()) if Path("/proc/self/fd/2").exists() else ""
        return Process(node, socket.gethostname(), os.getpid(), log)

    def start(self, make: Callable[[Any], Worker], setup: object) -> str:
        """Creates the worker, which logs its progress; returns its name."""
        logging.basicConfig(format="%(asctime)s %(levelname).1s %(name)s  %(message)s")
        logging.getLogger("workers").setLevel(logging.INFO)
        self._worker = make(setup)
        return self._worker.ready()

    def evaluate(self, candidate: Candidate, stages: Stages | None = None) -> Outcome:
        """The worker's outcome.

        Args:
            candidate: without its stages, which many candidates share.
            stages: of the candidate.
        """
        return self._worker.evaluate(replace(candidate, stages=stages))


def tail(path: str, lines: int = LOG_LINES) -> str:
    """The last lines of a log; empty if there is no such file."""
    file = Path(path)
    if not path or not file.is_file():
        return ""
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def start_progress(path: str) -> str:
    """The last progress that a starting worker logged; empty if its log is on another machine."""
    found = [line.partition(PREPARING)[2] for line in tail(path).splitlines() if PREPARING in line]
    return found[-1] if found else ""

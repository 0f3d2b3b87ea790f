"""Why a worker died: Ray's error and the end of the worker's log."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workers.pool.actor import tail
from workers.pool.slot import Slot

LOG_TIMEOUT = 5.0  # seconds to wait for a dead worker's log


def cause_of(error: RayError) -> str:
    """The cause in words."""
    if isinstance(error, OutOfMemoryError):
        return f"out of memory, and Ray ended its process: {error}".strip()
    if isinstance(error, RayTaskError):
        return f"{type(error.cause).__name__}: {error.cause}"
    if isinstance(error, RayActorError):
        return f"its process or its machine died: {error}".strip()
    return f"{type(error).__name__}: {error}".strip()


def is_input_error(error: RayError) -> TypeGuard[RayTaskError]:
    """Whether a worker reported that its input is wrong."""
    return isinstance(error, RayTaskError) and isinstance(error.cause, ValueError)


def summary(cause: str) -> str:
    r"""A cause in one line: its first line and its last, which has the error of a log.

    >>> summary("it cannot start\n  in line 5\nValueError: no tokenizer")
    'it cannot start … ValueError: no tokenizer'
    """
    lines = [line.strip() for line in cause.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))


def log_tail(slot: Slot) -> str:
    """The last lines of a dead worker's log, if its machine still answers."""
    if slot.process is None:
        return ""
    if Path(slot.process.log).is_file():
        return tail(slot.process.log)
    same_node = NodeAffinitySchedulingStrategy(slot.node, soft=False)
    read = ray.remote(num_cpus=0, max_retries=0)(tail).options(scheduling_strategy=same_node)
    try:
        lines: str = ray.get(read.remote(slot.process.log), timeout=LOG_TIMEOUT)
    except RayError:
        return ""
    return lines

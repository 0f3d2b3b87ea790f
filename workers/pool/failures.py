"""Why a worker died."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workers.pool.berth import tail
from workers.pool.slot import Slot

TAIL_WAIT = 5.0  # seconds that a dead worker's log is waited for


def cause_of(error: RayError) -> str:
    """In words."""
    if isinstance(error, OutOfMemoryError):
        return f"out of memory, and Ray ended its process: {error}".strip()
    if isinstance(error, RayTaskError):
        return f"{type(error.cause).__name__}: {error.cause}"
    if isinstance(error, RayActorError):
        return f"its process or its machine died: {error}".strip()
    return f"{type(error).__name__}: {error}".strip()


def is_refusal(error: RayError) -> TypeGuard[RayTaskError]:
    """Whether a worker said that its input is wrong."""
    return isinstance(error, RayTaskError) and isinstance(error.cause, ValueError)


def first_line(cause: str) -> str:
    """Of a text that may have many, or none."""
    return cause.splitlines()[0] if cause else ""


def last_words(slot: Slot) -> str:
    """The last lines of a dead worker's log, if its machine still answers."""
    if slot.place is None:
        return ""
    if Path(slot.place.log).is_file():
        return tail(slot.place.log)
    there = NodeAffinitySchedulingStrategy(slot.node, soft=False)
    read = ray.remote(num_cpus=0, max_retries=0)(tail).options(scheduling_strategy=there)
    try:
        words: str = ray.get(read.remote(slot.place.log), timeout=TAIL_WAIT)
    except RayError:
        return ""
    return words

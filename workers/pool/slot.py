"""A slot: one worker's actor and what it is doing."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workers.candidate import Candidate
from workers.pool.actor import Process

SHOWN = 64  # slots whose states are reported: a driver writes them into its run every few seconds
Stage = Literal["placing", "starting", "idle", "busy"]


@dataclass
class Slot:
    """An actor, replaced under the same number when its worker dies."""

    number: int
    actor: Any
    pending: Any
    """Ray's reference to the running call; None when idle."""
    stage: Stage = "placing"
    process: Process | None = None
    """None until Ray has placed the actor on a node."""
    candidate: Candidate | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def node(self) -> str:
        """The actor's node; empty until it is known."""
        return self.process.node if self.process else ""

    def enter(self, stage: Stage, pending: Any, candidate: Candidate | None = None) -> None:
        """Begins another stage."""
        self.stage, self.pending, self.candidate = stage, pending, candidate
        self.since = time.monotonic()


def states(slots: Sequence[Slot]) -> list[dict[str, Any]]:
    """What the first slots are doing, as plain JSON values."""
    now = time.monotonic()
    return [
        {
            "name": str(slot.process or ""),
            "stage": slot.stage,
            "trial": slot.candidate.trial if slot.candidate else None,
            "seconds": round(now - slot.since, 1),
        }
        for slot in slots[:SHOWN]
    ]


def choose_slot(slots: Sequence[Slot], deaths: Collection[tuple[str, int]]) -> Slot | None:
    """An idle slot for a candidate whose workers died on these nodes and slots.

    Another node is preferred. None of those slots is chosen while another slot has a ready worker,
    idle or busy.
    """
    ready = [slot for slot in slots if slot.stage in ("idle", "busy")]
    fresh = [slot for slot in ready if (slot.node, slot.number) not in deaths]
    idle = [slot for slot in fresh or ready if slot.stage == "idle"]
    nodes = {node for node, _ in deaths}
    return min(idle, key=lambda slot: slot.node in nodes, default=None)

"""A place for one worker."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workers.candidate import Candidate
from workers.pool.berth import Place

Stage = Literal["placing", "starting", "idle", "busy"]


@dataclass
class Slot:
    """A place for one worker: the actor in it and what that actor is doing."""

    number: int
    actor: Any
    doing: Any
    """The reference to wait for; None when idle."""
    stage: Stage = "placing"
    place: Place | None = None
    candidate: Candidate | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def node(self) -> str:
        """Where the actor lives; nothing until that is known."""
        return self.place.node if self.place else ""

    def does(self, stage: Stage, doing: Any, candidate: Candidate | None = None) -> None:
        """What the actor does from now on."""
        self.stage, self.doing, self.candidate = stage, doing, candidate
        self.since = time.monotonic()


def pick(slots: Sequence[Slot], deaths: Collection[tuple[str, int]]) -> Slot | None:
    """An idle slot for a candidate whose workers died at these nodes and slots.

    Rather on another node, and in none of those slots as long as another one is there to wait for.
    """
    ready = [slot for slot in slots if slot.stage in ("idle", "busy")]
    fresh = [slot for slot in ready if (slot.node, slot.number) not in deaths]
    idle = [slot for slot in fresh or ready if slot.stage == "idle"]
    nodes = {node for node, _ in deaths}
    return min(idle, key=lambda slot: slot.node in nodes, default=None)

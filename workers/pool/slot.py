"""A place for one worker."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from workers.candidate import Candidate
from workers.pool.berth import Place
from workers.pool.health import NOWHERE

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
        """Where the actor lives, as far as it is known."""
        return self.place.node if self.place else NOWHERE

    def does(self, stage: Stage, doing: Any, candidate: Candidate | None = None) -> None:
        """What the actor does from now on."""
        self.stage, self.doing, self.candidate = stage, doing, candidate
        self.since = time.monotonic()

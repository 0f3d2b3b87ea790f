"""The finished trials of a run, with what the driver looks up among them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.ledger import Trial


@dataclass
class History:
    """Every finished trial, those of earlier sessions included."""

    trials: list[Trial] = field(default_factory=list)
    """In the order of finishing."""
    scored: list[Trial] = field(default_factory=list)
    evaluated: dict[str, Trial] = field(default_factory=dict)
    """The first scored, stopped or broken trial of each recipe, by digest."""
    _earlier: float = 0.0  # seconds of earlier sessions
    _started: float = field(default_factory=time.monotonic)

    def add(self, trial: Trial) -> None:
        """Adds the trial that finished last."""
        self.trials.append(trial)
        if trial.state in ("scored", "stopped", "broken"):  # a failed one may be tried again
            self.evaluated.setdefault(trial.proposal.digest, trial)
        if trial.state == "scored":
            self.scored.append(trial)

    def start_session(self) -> None:
        """Starts the clock of this session after those of the earlier ones."""
        self._earlier = max((trial.clock for trial in self.trials), default=0.0)
        self._started = time.monotonic()

    @property
    def clock(self) -> float:
        """Seconds that drivers have run, the time between sessions left out."""
        return self._earlier + time.monotonic() - self._started

    @property
    def next_order(self) -> int:
        """The order of the next trial to finish; the order of a lost file is not used again."""
        return self.trials[-1].order + 1 if self.trials else 0

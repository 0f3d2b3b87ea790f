"""When a search ends: what it may spend, and when it has stopped getting better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import PositiveFloat

from evaluators.settings import Count, Settings
from evaluators.wording import counted
from search.results import RunResults

if TYPE_CHECKING:
    from search.ledger import Trial
    from search.objectives import Objective

MEANING = {"full scoring": " (one model on all search documents each)"}


class Patience(Settings):
    """How long a search may go on without getting better."""

    trials: Count
    """Scored or stopped trials in a row that are looked at; there must be as many besides the
    baselines."""
    share: PositiveFloat = 0.01
    """The search ends when the hypervolume grew by no more than this share in these trials."""


class Budget(Settings):
    """What a search may spend in all its sessions; the first limit reached ends it."""

    trials: Count = 200
    """Finished trials of any outcome; baselines and duplicates count too."""
    scorings: PositiveFloat | None = None
    """Full scorings: a trial that was stopped half-way counts half, a broken one 0."""
    hours: PositiveFloat | None = None
    """Of wall time while a driver ran."""
    worker_hours: PositiveFloat | None = None
    """Summed over the workers, while they merged and scored."""
    patience: Patience | None = None

    def reached(
        self, trials: Sequence[Trial], hours: float, objectives: Sequence[Objective]
    ) -> str | None:
        """Which limit is reached, in words, or None.

        Args:
            trials: finished, in the order of finishing.
            hours: of wall time spent.
            objectives: what the hypervolume is of.
        """
        limits: dict[str, tuple[float | None, Callable[[], float]]] = {
            "trial": (self.trials, lambda: len(trials)),
            "full scoring": (self.scorings, lambda: sum(trial.share for trial in trials)),
            "hour": (self.hours, lambda: hours),
            "worker-hour": (self.worker_hours, lambda: worker_hours(trials)),
        }
        for what, (limit, spent) in limits.items():
            if limit is not None and spent() >= limit:
                return f"its budget of {counted(limit, what)}{MEANING.get(what, '')} is spent"
        return self._plateau(trials, objectives)

    def _plateau(self, trials: Sequence[Trial], objectives: Sequence[Objective]) -> str | None:
        if self.patience is None:
            return None
        results = RunResults(objectives, trials)
        window = self.patience.trials
        tried = [trial for trial in trials if trial.state in ("scored", "stopped")]
        if sum(trial.label is None for trial in tried) < window:
            return None  # the baselines are there to compare with, not to get better
        growth = results.growth(window)
        if growth is None or growth > self.patience.share:
            return None
        return f"in {counted(window, 'trial')} the hypervolume grew by only {growth:.2%}"


def worker_hours(trials: Sequence[Trial]) -> float:
    """Hours that workers spent on these trials."""
    return sum(sum(trial.seconds.values()) for trial in trials) / 3600


def wall_hours(trials: Sequence[Trial]) -> float:
    """Hours for which a driver ran, up to the last of these trials."""
    return max((trial.clock for trial in trials), default=0.0) / 3600

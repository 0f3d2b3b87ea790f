"""How long a search will go on: until the first limit of its budget, at the pace of its trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.driver.budget import Budget, worker_hours

if TYPE_CHECKING:
    from search.ledger import Trial

WINDOW = 30  # finished trials from which the pace is computed
LEAST = 5  # fewer give the pace at which workers start, not that of trials


def trials_per_second(trials: Sequence[Trial], clock: float) -> float | None:
    """The pace of the last trials, or None if there are too few.

    Args:
        trials: finished, in the order of finishing.
        clock: seconds that drivers have run.
    """
    recent = trials[-WINDOW:]
    if len(recent) < LEAST or clock <= recent[0].clock:
        return None
    return (len(recent) - 1) / (clock - recent[0].clock)


def spent_share(budget: Budget, trials: Sequence[Trial], clock: float) -> float:
    """The share of a budget that is spent, of the limit that is nearest.

    Args:
        budget: of the run.
        trials: finished, in the order of finishing.
        clock: seconds that drivers have run.
    """
    spent = _spent(trials, clock)
    return max(spent[name] / limit for name, limit in _limits(budget).items())


def seconds_left(budget: Budget, trials: Sequence[Trial], clock: float) -> float | None:
    """Seconds until the first limit of a budget is reached; None as long as the pace is unknown.

    Args:
        budget: of the run; its patience is no limit that can be foreseen.
        trials: finished, in the order of finishing.
        clock: seconds that drivers have run.
    """
    if trials_per_second(trials, clock) is None:
        return None
    recent = trials[-WINDOW:]
    seconds = clock - recent[0].clock
    spent, lately = _spent(trials, clock), _spent(recent[1:], seconds)
    left = [
        (limit - spent[name]) * seconds / lately[name]
        for name, limit in _limits(budget).items()
        if lately[name] > 0
    ]
    return max(0.0, min(left))


def _limits(budget: Budget) -> dict[str, float]:
    """The limits that a budget has, by key."""
    given = {
        "trials": budget.trials,
        "scorings": budget.scorings,
        "hours": budget.hours,
        "worker_hours": budget.worker_hours,
    }
    return {name: limit for name, limit in given.items() if limit is not None}


def _spent(trials: Sequence[Trial], seconds: float) -> dict[str, float]:
    """What trials have used of each limit."""
    return {
        "trials": len(trials),
        "scorings": sum(trial.share for trial in trials),
        "hours": seconds / 3600,
        "worker_hours": worker_hours(trials),
    }

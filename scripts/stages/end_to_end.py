"""Whole searches with stages and without: same seeds, same trials, then same documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.stages.demo_runs import DemoRun, extended, searched
from search.ledger import Trial
from search.results import RunResults
from search.runs import results_of


@dataclass(frozen=True)
class Pair:
    """One seed: a search without stages, and one with them."""

    seed: int
    documents: float
    """Scored with stages over those without, in the same number of trials."""
    seconds: float
    """CPU time with stages over that without, likewise."""
    same_trials: float
    """Hypervolume with stages over that without, in the same number of trials."""
    same_documents: float
    """The same when the search with stages goes on until it has scored as many documents."""
    more_trials: float
    """Trials that it has finished by then, over those without stages."""


def off(cache: Path, seed: int, trials: int, objectives: Sequence[str] = ()) -> DemoRun:
    """A search without stages."""
    name = "-".join(["off", *objectives])
    return searched(cache, name, seed, trials, objectives, stages="off")


def pair(cache: Path, seed: int, trials: int, objectives: Sequence[str] = ()) -> Pair:
    """Both searches of a seed."""
    without = off(cache, seed, trials, objectives)
    name = "-".join(["on", *objectives])
    staged = searched(cache, name, seed, trials, objectives, stages="auto")
    full = results_of(without.ledger, averages=False)
    scorings = sum(trial.share for trial in full.trials)
    extended(staged, trials=10 * trials, scorings=scorings)
    longer = results_of(staged.ledger, averages=False)
    begun = RunResults(longer.objectives, longer.trials[:trials])
    return Pair(
        seed,
        documents=_documents(begun.trials) / _documents(full.trials),
        seconds=staged.seconds / without.seconds,
        same_trials=begun.history[-1] / full.history[-1],
        same_documents=longer.history[-1] / full.history[-1],
        more_trials=len(longer.trials) / len(full.trials),
    )


def _documents(trials: Sequence[Trial]) -> int:
    return sum(trial.documents for trial in trials)

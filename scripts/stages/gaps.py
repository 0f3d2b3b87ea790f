"""How far the scores of picks are above those on documents that nobody has looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scripts.stages.demo_runs import DemoRun, in_process
from search.ledger import Ledger
from search.objectives import Objective
from search.results import RunResults
from search.runs import RunVerdict, results_of, verdict_on_pick


@dataclass(frozen=True)
class Gap:
    """One score of one pick: how much better it was said to be than the report documents say."""

    pick: str
    objective: str
    seed: int
    naive: float
    """The best by search scores: its search score less its report score, positive if flattered."""
    picked: float
    """The pick by selection documents: its search score less its report score."""
    shrunk: float
    """The same pick: its shrunk selection score less its report score."""
    error: float
    """Standard error of its report score."""
    inputs: float
    """Search score less report score of base and models, which nobody has picked: their mean."""
    is_same: bool
    """Whether both picks are the same trial."""


def gaps(run: DemoRun) -> Iterator[Gap]:
    """All gaps of a search; what they need is scored unless it has been."""
    ledger, results = run.ledger, results_of(run.ledger)
    names = [each.name for each in results.objectives]
    for pick, wanted in _wanted(names):
        found = verdict_on_pick(ledger, pick, make_pool=in_process)
        number = results_of(ledger, averages=False).pick(pick).number
        naive = verdict_on_pick(ledger, number=number, make_pool=in_process)
        for name in wanted:
            yield _gap(run.plan.config.seed, results, pick, name, found, naive, ledger)


def _wanted(names: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Each way to pick, and the objectives that tell of it."""
    yield from (("knee", names), ("mean", names))
    yield from ((f"best:{name}", [name]) for name in names)


def _gap(
    seed: int,
    results: RunResults,
    pick: str,
    name: str,
    found: RunVerdict,
    naive: RunVerdict,
    ledger: Ledger,
) -> Gap:
    (objective,) = (each for each in results.objectives if each.name == name)
    own, first = ({o.objective.name: o for o in each.objectives}[name] for each in (found, naive))
    inputs = [each for label, each in results.baselines.items() if each.proposal.is_input]
    search = [each.scores[name] for each in inputs]
    report = [ledger.scores_on("report", each.number)[0].scores[name] for each in inputs]
    return Gap(
        pick=pick,
        objective=name,
        seed=seed,
        naive=_flattery(objective, first.search, first.report),
        picked=_flattery(objective, own.search, own.report),
        shrunk=_flattery(objective, found.selection[found.trial.number][name], own.report),
        error=(own.interval[1] - own.interval[0]) / 2 / 1.96,
        inputs=_flattery(objective, float(np.mean(search)), float(np.mean(report))),
        is_same=found.trial.number == naive.trial.number,
    )


def _flattery(objective: Objective, said: float, report: float) -> float:
    return -objective.sign * (said - report)

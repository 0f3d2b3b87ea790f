"""The progress of a run, from its files alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.driver import Budget, wall_hours, worker_hours
from search.results import Effort, RunResults, constant_warnings

if TYPE_CHECKING:
    from search.ledger import Contents, Ledger, Trial

WINDOW = 30  # finished trials from which the pace is computed


@dataclass(frozen=True)
class Snapshot:
    """The trials of a run at one moment, and their results."""

    contents: Contents
    results: RunResults


def snapshot_of(ledger: Ledger) -> Snapshot:
    """Reads the trials of a run; those that the ledger has read before are not read again."""
    contents = ledger.contents()
    return Snapshot(contents, RunResults.of(ledger.header["objectives"], contents.trials))


def status_of(ledger: Ledger, snapshot: Snapshot | None = None) -> dict[str, Any]:
    """What `mergefront status --json` prints; the keys are kept stable.

    Args:
        ledger: of the run.
        snapshot: of its trials; by default they are read now.
    """
    snapshot = snapshot or snapshot_of(ledger)
    contents, found = snapshot.contents, snapshot.results
    budget, done = Budget.model_validate(ledger.budget), len(contents.trials)
    hours = wall_hours(contents.trials)
    is_spent = budget.reached(contents.trials, hours, found.objectives) is not None
    driver = ledger.driver
    report = dict(driver.report) if driver else {}
    running = report.get("running", [])
    warnings = constant_warnings(found.constant, len(found.scored))
    effort = Effort.of(contents.trials)
    return {
        "version": 1,
        "run": ledger.header["name"],
        "state": "running" if driver else "finished" if is_spent else "stopped",
        "trials": {
            "proposed": done + len(contents.waiting),
            "running": len(running),
            **_counts(contents.trials),
        },
        "front": len(found.front),
        "best": found.best(),
        "picks": {how: _pick(found, how) for how in ("mean", "knee")} if found.front else {},
        "budget": {
            "trials": budget.trials,
            "spent": done,
            "hours": hours,
            "worker_hours": worker_hours(contents.trials),
            "scorings": effort.scorings,
        },
        "documents": effort.to_json(),
        "driver": {"who": driver.who, "since": driver.since} if driver else None,
        "workers": {name: report.get(name, 0) for name in ("workers", "starting", "busy")},
        "preparing": report.get("preparing", ""),
        "troubles": [*report.get("troubles", []), *contents.damage, *warnings],
        "seconds_left": _left(contents.trials, budget.trials) if driver else None,
    }


def _pick(found: RunResults, how: str) -> dict[str, Any]:
    trial = found.pick(how)
    return {"trial": trial.number, "mean": found.mean(trial), "scores": dict(trial.scores)}


def _left(trials: list[Trial], budget: int) -> float | None:
    """Seconds until the budget of trials is spent, at the pace of the last trials."""
    clocks = [trial.clock for trial in trials][-WINDOW:]
    if len(clocks) < 2 or clocks[-1] <= clocks[0]:
        return None
    return float(budget - len(trials)) * (clocks[-1] - clocks[0]) / (len(clocks) - 1)


def _counts(trials: list[Trial]) -> dict[str, int]:
    """How many trials ended in each state."""
    found = dict.fromkeys(("scored", "stopped", "broken", "failed", "duplicate"), 0)
    for trial in trials:
        found[trial.state] += 1
    return found

"""The progress of a run as plain JSON values, from its files alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from search.driver import wall_hours, worker_hours
from search.results import RunResults
from search.runs.progress import progress_of_contents

if TYPE_CHECKING:
    from search.ledger import Contents, Ledger


@dataclass(frozen=True)
class Snapshot:
    """The trials of a run at one moment, and their results."""

    contents: Contents
    results: RunResults
    """Of the search alone, as a status counts them."""
    shown: RunResults
    """With the averages of trials that a verdict has tried, as a front shows them."""


def snapshot_of(ledger: Ledger) -> Snapshot:
    """Reads the trials of a run; those that the ledger has read before are not read again."""
    contents, averages = ledger.contents(), ledger.averages()
    results = RunResults.of(ledger.header["objectives"], contents.trials)
    shown = replace(results, trials=[*contents.trials, *averages]) if averages else results
    return Snapshot(contents, results, shown)


def status_of(ledger: Ledger, snapshot: Snapshot | None = None) -> dict[str, Any]:
    """What `mergefront status --json` prints; the keys are kept stable.

    Args:
        ledger: of the run.
        snapshot: of its trials; by default they are read now.
    """
    if snapshot:
        contents, results = snapshot.contents, snapshot.results
    else:
        contents, results = ledger.contents(), None
    driver = ledger.driver
    progress = progress_of_contents(ledger, contents, driver, results)
    found, budget, done = progress.results, progress.budget, len(contents.trials)
    return {
        "version": 1,
        "run": progress.name,
        "state": progress.state,
        "trials": {
            "proposed": done + len(contents.waiting),
            "running": len(progress.running),
            **progress.counts,
        },
        "front": len(found.front),
        "best": found.best(),
        "picks": {how: _pick(found, how) for how in ("mean", "knee")} if found.front else {},
        "budget": {
            "trials": budget.trials,
            "spent": done,
            "hours": wall_hours(contents.trials),
            "worker_hours": worker_hours(contents.trials),
            "scorings": progress.effort.scorings,
        },
        "documents": progress.effort.to_json(),
        "driver": {"who": driver.who, "since": driver.since} if driver else None,
        "workers": progress.workers,
        "preparing": progress.report.get("preparing", ""),
        "troubles": progress.troubles,
        "seconds_left": progress.seconds_left,
    }


def _pick(found: RunResults, how: str) -> dict[str, Any]:
    trial = found.pick(how)
    return {"trial": trial.number, "mean": found.mean(trial), "scores": dict(trial.scores)}

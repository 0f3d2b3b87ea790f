"""How far a run is: the same for a driver in this process and for the files of a run elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from search.driver import Budget, seconds_left, spent_share, trials_per_second, wall_hours
from search.results import Effort, RunResults, constant_warnings

if TYPE_CHECKING:
    from search.driver import Driver
    from search.ledger import Contents, DriverRecord, Ledger, Trial

RunState = Literal["running", "stopped", "finished"]


@dataclass(frozen=True)
class RunProgress:
    """The finished trials of a run, and what its driver is doing.

    Args:
        name: of the run.
        state: stopped, if it could be resumed.
        results: of the finished trials.
        budget: of the run.
        running: numbers of the trials that are being evaluated.
        report: of the pool, as `Pool.report` describes it; empty without a driver.
        clock: seconds that drivers have run.
        damage: files of the run that cannot be read.
    """

    name: str
    state: RunState
    results: RunResults
    budget: Budget
    running: Sequence[int] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    clock: float = 0.0
    damage: Sequence[str] = ()

    @property
    def trials(self) -> Sequence[Trial]:
        """The finished trials, in the order of finishing."""
        return self.results.trials

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many trials ended in each state."""
        found = dict.fromkeys(("scored", "stopped", "broken", "failed", "duplicate"), 0)
        for trial in self.trials:
            found[trial.state] += 1
        return found

    @cached_property
    def effort(self) -> Effort:
        """The documents that were scored, and that were saved by stopping trials early."""
        return Effort.of(self.trials)

    @property
    def workers(self) -> dict[str, int]:
        """How many workers there are, how many of them are starting, and how many are busy."""
        return {name: self.report.get(name, 0) for name in ("workers", "starting", "busy")}

    @property
    def troubles(self) -> list[str]:
        """What a user should look at: of the workers, of the files, of the objectives."""
        constant = constant_warnings(self.results.constant, len(self.results.scored))
        return [*self.report.get("troubles", []), *self.damage, *constant]

    @property
    def spent(self) -> float:
        """The share of the budget that is spent, of the limit that is nearest."""
        return spent_share(self.budget, self.trials, self.clock)

    @property
    def trials_per_second(self) -> float | None:
        """The pace of the last trials, or None if there are too few."""
        return trials_per_second(self.trials, self.clock)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the budget is spent; None without a driver or a known pace."""
        if self.state != "running":
            return None
        return seconds_left(self.budget, self.trials, self.clock)


def progress_of_driver(driver: Driver, name: str, results: RunResults) -> RunProgress:
    """The progress of a search in this process; the results may be a little older."""
    return RunProgress(
        name=name,
        state="finished" if driver.finished else "running",
        results=results,
        budget=driver.budget,
        running=sorted(driver.running),
        report=driver.pool.report,
        clock=driver.clock,
    )


def progress_of(ledger: Ledger) -> RunProgress:
    """The progress of a run, from its files alone; its driver may run on another machine."""
    return progress_of_contents(ledger, ledger.contents(), ledger.driver)


def progress_of_contents(
    ledger: Ledger,
    contents: Contents,
    driver: DriverRecord | None,
    results: RunResults | None = None,
) -> RunProgress:
    """The progress of a run whose files have been read, and perhaps its results made of them."""
    results = results or RunResults.of(ledger.header["objectives"], contents.trials)
    budget, hours = Budget.model_validate(ledger.budget), wall_hours(contents.trials)
    is_spent = budget.reached(contents.trials, hours, results.objectives) is not None
    report = dict(driver.report) if driver else {}
    return RunProgress(
        name=ledger.header["name"],
        state="running" if driver else "finished" if is_spent else "stopped",
        results=results,
        budget=budget,
        running=report.get("running", []),
        report=report,
        clock=max(report.get("clock", 0.0), 3600 * hours),
        damage=contents.damage,
    )

"""Tells the experiment tracker of a config about each trial."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from search.results import RunResults
from search.runs.each_trial import EachTrial
from search.trackers import BackgroundTracker, TrackedRun, TrackedTrial, missing_extra

if TYPE_CHECKING:
    from search.config import Config, Plan
    from search.driver import Driver
    from search.ledger import Ledger, Trial
    from search.objectives import Objective

QUICK = 0.05  # seconds that each hypervolume may take
REST = 20  # times as long as a slower one took, the next is not computed


def check_tracker(config: Config) -> None:
    """Finds out before a search whether the tracker of its config is installed.

    Raises:
        ValueError: if it is not, with what to install.
    """
    if config.track and (message := missing_extra(config.track)):
        raise ValueError(message)


@contextmanager
def tracking(plan: Plan, ledger: Ledger) -> Iterator[Callable[[Driver], None]]:
    """What to call after every step of a search, and when it has ended."""
    settings = plan.config.track
    if settings is None:
        yield lambda _: None
        return
    secret = {"workers"}  # environment variables of workers may be passwords
    content = plan.config.model_dump(mode="json", by_alias=True, exclude=secret)
    run = TrackedRun(plan.config.name, ledger.root, content)
    tracker = BackgroundTracker(settings.type, partial(settings.open, run))
    course = HypervolumeCourse(plan.objectives, ledger.trials())
    try:
        yield EachTrial(ledger, lambda trial: tracker.log(partial(_tracked, trial, course)))
    finally:
        tracker.close()


class HypervolumeCourse:
    """The hypervolume after each trial, from the front and the inputs alone.

    It is left out where it would take more than a small share of the time: with many objectives
    and a large front.

    Args:
        objectives: of the run.
        trials: that have finished before.
    """

    def __init__(self, objectives: Sequence[Objective], trials: Sequence[Trial]) -> None:
        self._objectives = objectives
        self._kept = list(trials)
        self._not_before = 0.0

    def after(self, trial: Trial) -> float | None:
        """The hypervolume with one more trial; None if it has no scores, or is left out."""
        if trial.state != "scored":
            return None
        results = RunResults(self._objectives, [*self._kept, trial])
        front = {each.number for each in results.front}
        self._kept = [t for t in results.scored if t.number in front or t.proposal.is_input]
        began = time.monotonic()
        if began < self._not_before:
            return None
        value = RunResults(self._objectives, self._kept).history[-1]
        took = time.monotonic() - began
        self._not_before = began + took * REST if took > QUICK else 0.0
        return value


def _tracked(trial: Trial, course: HypervolumeCourse) -> TrackedTrial:
    return TrackedTrial(
        number=trial.number,
        step=trial.order,
        state=trial.state,
        scores=trial.scores,
        params=trial.proposal.params or {},
        seconds=trial.seconds,
        hypervolume=course.after(trial),
        label=trial.label,
        cause=trial.reason if trial.cause else None,
    )

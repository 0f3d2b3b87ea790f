"""Picks a sampler as the search goes on, and says which and why."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from search.samplers.whole import WholeSpaceSampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

SAMPLER, WHY, SECONDS = "sampler", "why", "seconds"
START, GP, EVOLUTION = "start", "gp", "evolution"
FIRST_ASK = 0.02  # seconds, times parameters and objectives, that gp is expected to take at first


@dataclass(frozen=True)
class Pace:
    """How fast a search goes: what an ask may cost before workers wait for it."""

    workers: int = 1
    seconds: float | None = None
    """Of one evaluation, as far as known."""


@dataclass(frozen=True)
class Affordable:
    """Where a Gaussian process with a full fit is worth its seconds."""

    axes: int = 60
    workers: int = 31
    scored: int = 150


class AutoSampler(WholeSpaceSampler):
    """A space-filling start, a Gaussian process while that is affordable, then evolution.

    What it picked is noted with every proposal, and a resumed search follows the notes: once it has
    gone on to evolution it never goes back.

    Args:
        distributions: the space.
        gp: the Gaussian process.
        evolution: what comes before it (its own start) and after it.
        startup: scored trials before the Gaussian process.
        limits: what is affordable.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        gp: BaseSampler,
        evolution: BaseSampler,
        startup: int,
        limits: Affordable,
    ) -> None:
        super().__init__(distributions)
        self._gp, self._evolution = gp, evolution
        self._startup, self._limits = startup, limits
        self._last_ask: float | None = None
        self._gone_on: str | None = None
        self.pace = Pace()
        self.note: dict[str, Any] = {}
        """What was picked for the trial that was asked for last."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point, by the sampler that is picked for it."""
        self.note = dict(zip((SAMPLER, WHY), self._pick(study), strict=True))
        if self.note[SAMPLER] != GP:
            return self._evolution.sample_relative(study, trial, search_space)
        start = time.perf_counter()
        params = self._gp.sample_relative(study, trial, search_space)
        self.note[SECONDS] = self._last_ask = time.perf_counter() - start
        return params

    def recall(self, study: Study, number: int, note: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Goes on from what was noted of a trial."""
        if note.get(SAMPLER) == GP:
            self._last_ask = note[SECONDS]
        if note.get(SAMPLER) == EVOLUTION:
            self._gone_on = note[WHY]

    def _pick(self, study: Study) -> tuple[str, str]:
        if self._gone_on:
            return EVOLUTION, self._gone_on
        scored = sum(map(_is_scored, study.get_trials(deepcopy=False)))
        if scored < self._startup:
            return START, f"{scored} of {self._startup} trials to begin with are scored"
        self._gone_on = self._reason(scored, len(study.directions))
        if self._gone_on:
            return EVOLUTION, self._gone_on
        return GP, f"{len(self._distributions)} parameters, {self.pace.workers} workers"

    def _reason(self, scored: int, objectives: int) -> str | None:
        """Why the Gaussian process is not affordable, or None."""
        limits, workers = self._limits, self.pace.workers
        if len(self._distributions) > limits.axes:
            return f"{len(self._distributions)} parameters, and gp is for {limits.axes} at most"
        if workers > limits.workers:
            return f"{workers} workers, and gp is for {limits.workers} at most"
        if scored >= limits.scored:
            return f"{scored} trials are scored, and gp is for fewer than {limits.scored}"
        if self.pace.seconds is None:
            return None
        room = self.pace.seconds / workers
        if self._last_ask is None:
            cost, took = FIRST_ASK * len(self._distributions) * objectives, "is expected to take"
        else:
            cost, took = self._last_ask, "took"
        if cost <= room:
            return None
        return f"gp {took} {cost:.2g} s for an ask, {workers} workers want one every {room:.2g} s"


def _is_scored(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.COMPLETE and all(v <= 0 for v in trial.constraints.values())

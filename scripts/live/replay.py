"""One search of a live family with simulated workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from scripts.live.score_file import Score
from scripts.simulation import finished
from search.driver import Baseline, Baselines
from search.ledger import Proposal, Trial
from search.objectives import Losses, Objective, losses, normalised
from search.results import RunResults
from search.samplers import Cmaes, SamplerSettings, Study
from search.space import MergeFeatures, Space
from workers.recipe import Recipe

SPREAD = 0.4  # standard deviation of the logarithm of an evaluation's time


class SlowAskError(RuntimeError):
    """A sampler asks for longer than it is allowed to; the message says how long."""


@dataclass
class Replay:
    """One search, each recipe scored once and delivered at its simulated time.

    Args:
        baselines: to be tried before anything is asked.
        score: of a recipe.
        anchors: losses of base and models, on whose scale a sampler for one objective has the mean
            of several.
        seed: of the sampler and of the durations.
        ask_limit: CPU seconds that one ask may take.
    """

    space: Space
    objectives: list[Objective]
    baselines: Baselines
    score: Callable[[Recipe], Score]
    anchors: Losses
    sampler: SamplerSettings
    seed: int
    workers: int
    ask_limit: float = np.inf
    trials: list[Trial] = field(default_factory=list)
    """In the order of finishing."""
    ask_seconds: list[float] = field(default_factory=list)
    """CPU seconds of each ask."""
    _proposals: list[Proposal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(1000 + self.seed)
        self._is_weighted = isinstance(self.sampler, Cmaes) and len(self.objectives) > 1
        directions = [each.direction for each in self.objectives]
        self._study = Study(
            self.sampler,
            self.space.axes,
            ["minimize"] if self._is_weighted else directions,
            self.seed,
            MergeFeatures(self.space),
        )

    def run(self, count: int) -> list[Trial]:
        """The first `count` trials, in the order of finishing.

        Raises:
            SlowAskError: if an ask takes longer than `ask_limit`.
        """
        for number in finished(self.workers, count, self._propose, self._duration):
            self._finish(self._proposals[number])
        return self.trials

    def run_baselines(self) -> list[Trial]:
        """The baselines alone, one after the other."""
        while (baseline := self._next_baseline()) is not None:
            self._finish(self._add(baseline))
        return self.trials

    def _propose(self) -> int:
        baseline = self._next_baseline()
        if baseline is not None:
            return self._add(baseline).number
        params = self._ask()
        proposal = Proposal.create(len(self._proposals), self.space.recipe(params), params)
        self._proposals.append(proposal)
        return proposal.number

    def _next_baseline(self) -> Baseline | None:
        labels = {each.label for each in self._proposals}
        digests = {each.digest for each in self._proposals}
        results = RunResults(self.objectives, self.trials)
        return self.baselines.next(labels, digests, results)

    def _add(self, baseline: Baseline) -> Proposal:
        self._study.add(baseline.params, is_input=" " not in baseline.label)
        number = len(self._proposals)
        proposal = Proposal.create(number, baseline.recipe, baseline.params, baseline.label)
        self._proposals.append(proposal)
        return proposal

    def _ask(self) -> dict[str, object]:
        start = time.process_time()
        _, params, _ = self._study.ask()
        self.ask_seconds.append(time.process_time() - start)
        if self.ask_seconds[-1] > self.ask_limit:
            raise SlowAskError(
                f"ask {len(self.ask_seconds)} took {self.ask_seconds[-1]:.0f} s of CPU, "
                f"and {self.ask_limit:g} s is the limit"
            )
        return params

    def _duration(self, number: int) -> float:
        """A recipe that is known already needs no worker."""
        seconds = float(self._random.lognormal(0.0, SPREAD))
        return 0.0 if self._earlier(self._proposals[number]) else seconds

    def _earlier(self, proposal: Proposal) -> Trial | None:
        """The scored or broken trial of the same recipe."""
        same = (trial for trial in self.trials if trial.proposal.digest == proposal.digest)
        return next(same, None)

    def _finish(self, proposal: Proposal) -> None:
        found = self.score(proposal.recipe)
        state = "broken" if found.state == "broken" else "scored"
        if state == "scored" and self._earlier(proposal):
            state = "duplicate"
        self.trials.append(
            Trial(proposal, state, len(self.trials), found.scores, cause=found.cause)
        )
        if state == "broken":
            self._study.tell(proposal.number, None, broken=True)
        else:
            self._study.tell(proposal.number, self._values(found))

    def _values(self, score: Score) -> list[float]:
        """What the sampler is told: the objectives or, of a weighted sum, their mean loss."""
        if not self._is_weighted:
            return [score.scores[each.name] for each in self.objectives]
        row = losses(self.objectives, score.scores)
        return [float(normalised(row[None], self.anchors).mean())]

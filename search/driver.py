"""The loop: ask, record, submit; take an outcome, record, tell.

Study, pool and ledger are passed in, so it runs in a test with no Ray and no model.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from search.objectives import Objective
from search.trial import Proposal, Trial
from workers.candidate import Candidate, Outcome
from workers.recipe import Recipe

if TYPE_CHECKING:
    from search.first import FirstTrial
    from search.ledger import Ledger
    from workers.pool import Pool

log = logging.getLogger(__name__)

PATIENCE = 0.5  # seconds that one wait for an outcome takes at most: how often progress is shown
LAST_WAIT = 15.0  # seconds that candidates under way are given when the search is stopped


class Asker(Protocol):
    """What the driver needs of a study."""

    def ask(self) -> tuple[int, dict[str, Any], dict[str, Any]]: ...

    def add(self, params: dict[str, Any] | None, notes: Mapping[str, Any] | None = None) -> int: ...

    def tell(self, number: int, values: Sequence[float] | None) -> None: ...


@dataclass(frozen=True)
class Limits:
    """When to stop: a number of finished trials, and wall hours of this and earlier sessions."""

    trials: int
    hours: float | None = None


@dataclass
class Driver:
    """One search, new or resumed.

    Args:
        study: proposes points and learns from scores.
        recipe_of: turns a point into a recipe.
        first: what to try before anything is asked.
        objectives: what the outcomes' values mean.
        watch: is called after every step, to show progress.
    """

    study: Asker
    pool: Pool
    ledger: Ledger
    recipe_of: Callable[[dict[str, Any]], Recipe]
    first: Sequence[FirstTrial]
    objectives: Sequence[Objective]
    limits: Limits
    watch: Callable[[Driver], None] = lambda _: None
    trials: list[Trial] = field(default_factory=list)
    running: dict[int, Proposal] = field(default_factory=dict)
    """Submitted and not yet back, by number."""
    started: float = field(default_factory=time.monotonic)
    _ready: deque[Proposal] = field(default_factory=deque)
    """Recorded and not yet submitted: asked ahead, or left by a driver that died."""
    _twins: list[Proposal] = field(default_factory=list)  # wait for the same recipe to be scored
    _scored: dict[str, Trial] = field(default_factory=dict)  # by digest
    _stopping: bool = False

    def run(self) -> None:
        """Searches until a limit is reached or `stop` was called.

        Raises:
            PoolError: if no worker can work any more.
        """
        self._restore()
        while not (self.finished or self._stopping):
            self._submit()
            self._receive(PATIENCE)
            self.watch(self)
        self._wait_briefly()

    def stop(self) -> None:
        """Ends the search soon: nothing new is begun, what is under way has a moment to finish.

        Safe in a signal handler; it never cuts into the recording of an outcome.
        """
        self._stopping = True

    @property
    def finished(self) -> bool:
        """Whether a limit is reached."""
        hours = (time.monotonic() - self.started) / 3600
        late = self.limits.hours is not None and hours >= self.limits.hours
        return late or len(self.trials) >= self.limits.trials

    # -- ask, record, submit

    def _submit(self) -> None:
        while self.pool.free and (proposal := self._next()):
            self.running[proposal.number] = proposal
            self.pool.submit(Candidate(proposal.number, proposal.recipe))
        if not self._ready and self._may_propose:
            self._ready.append(self._propose())

    def _next(self) -> Proposal | None:
        """The next proposal whose recipe is neither scored nor being scored."""
        being_scored = {proposal.recipe.digest for proposal in self.running.values()}
        while self._ready or self._may_propose:
            proposal = self._ready.popleft() if self._ready else self._propose()
            digest = proposal.recipe.digest
            if twin := self._scored.get(digest):
                self._record(_duplicate(proposal, twin, len(self.trials)))
            elif digest in being_scored:
                self._twins.append(proposal)
            else:
                return proposal
        return None

    @property
    def _proposed(self) -> int:
        return len(self.trials) + len(self.running) + len(self._ready) + len(self._twins)

    @property
    def _may_propose(self) -> bool:
        return self._proposed < self.limits.trials

    def _propose(self) -> Proposal:
        proposal = self._known_or_asked(self._proposed)
        self.ledger.propose(proposal)
        return proposal

    def _known_or_asked(self, number: int) -> Proposal:
        if number < len(self.first):
            known = self.first[number]
            self._enter(number, known.params, {})
            return Proposal(number, known.recipe, known.params, known.label)
        number, params, notes = self.study.ask()
        return Proposal(number, self.recipe_of(params), params, notes=notes)

    def _enter(
        self, number: int, params: Mapping[str, Any] | None, notes: Mapping[str, Any]
    ) -> None:
        given = self.study.add(None if params is None else dict(params), notes)
        assert given == number, f"the study calls trial {number} {given}"

    # -- take an outcome, record, tell

    def _receive(self, seconds: float) -> None:
        for outcome in self.pool.wait(seconds):
            if proposal := self.running.pop(outcome.trial, None):  # else a late second answer
                self._finish(proposal, outcome)
                self._ready.extendleft(self._twins)
                self._twins.clear()

    def _finish(self, proposal: Proposal, outcome: Outcome) -> None:
        trial = self._judge(proposal, outcome)
        self._record(trial, outcome)
        if trial.state == "scored":
            scores = " ".join(f"{name}={value:.4f}" for name, value in trial.scores.items())
            log.info("trial %d scored  %s", trial.number, scores)
        else:
            last = (trial.cause or "").strip().splitlines()[-1:]
            log.warning("trial %d %s  %s", trial.number, trial.state, *last or [""])

    def _judge(self, proposal: Proposal, outcome: Outcome) -> Trial:
        trial = Trial(
            proposal,
            outcome.state,
            order=len(self.trials),
            cause=outcome.cause,
            seconds=outcome.seconds,
            worker=outcome.worker,
        )
        if outcome.state != "scored":
            return trial
        try:
            scores = {each.name: each.value(outcome.values) for each in self.objectives}
        except ValueError as error:  # a score that is not a number must not reach the sampler
            return replace(trial, state="broken", cause=str(error))
        return replace(trial, scores=scores)

    def _record(self, trial: Trial, outcome: Outcome | None = None) -> None:
        self.ledger.finish(trial, outcome.documents if outcome else None)
        self._remember(trial)

    def _remember(self, trial: Trial) -> None:
        self.trials.append(trial)
        if trial.state == "scored":
            self._scored.setdefault(trial.proposal.recipe.digest, trial)
        has_scores = trial.state in ("scored", "duplicate")
        values = [trial.scores[each.name] for each in self.objectives] if has_scores else None
        self.study.tell(trial.number, values)

    # -- begin and end

    def _restore(self) -> None:
        """Enters what the ledger knows: all proposals by number, then outcomes in their order."""
        proposals = self.ledger.proposals()
        for number, proposal in sorted(proposals.items()):
            self._enter(number, proposal.params, proposal.notes)
        for trial in self.ledger.trials():
            self._remember(trial)
            proposals.pop(trial.number)
        self._ready.extend(proposals.values())

    def _wait_briefly(self) -> None:
        deadline = time.monotonic() + LAST_WAIT
        while self.running and (left := deadline - time.monotonic()) > 0:
            self._receive(min(left, PATIENCE))
            self.watch(self)


def _duplicate(proposal: Proposal, twin: Trial, order: int) -> Trial:
    cause = f"the same recipe as trial {twin.number}"
    return Trial(proposal, "duplicate", order, scores=twin.scores, cause=cause)


def counts(trials: Iterable[Trial]) -> dict[str, int]:
    """How many trials ended in each state."""
    found = dict.fromkeys(("scored", "stopped", "broken", "failed", "duplicate"), 0)
    for trial in trials:
        found[trial.state] += 1
    return found

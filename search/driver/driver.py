"""The loop: ask, record, submit; receive, record, tell.

Study, pool and ledger are passed in, so it runs in a test with no Ray and no model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from search.driver.ask_thread import AskThread
from search.driver.budget import Budget
from search.driver.duplicate import duplicate_trial
from search.driver.history import History
from search.driver.outcome import OutcomeReader
from search.driver.proposer import Proposer
from search.driver.replay import full_scoring, replay
from search.driver.stage_builder import StageBuilder
from search.ledger import Proposal, Trial
from search.objectives import Objective
from search.results import ENOUGH, check_objectives
from workers.candidate import Candidate, Outcome
from workers.recipe import Recipe

if TYPE_CHECKING:
    from search.driver.baselines import Baselines
    from search.ledger import Ledger
    from search.samplers import Study
    from workers.pool import Pool

log = logging.getLogger(__name__)

WORKERS_PER_PROPOSAL = 16  # one proposal is queued in advance for so many workers
SHORT_WAIT = 0.02  # seconds of a wait for an outcome while an ask is under way
LONG_WAIT = 0.5  # seconds of a wait otherwise, and so between two updates of the progress shown
LAST_WAIT = 15.0  # seconds that running candidates have to finish once the search is stopped


@dataclass
class Driver:
    """One search, new or resumed.

    Args:
        study: proposes points and learns from scores.
        recipe_of: turns a point into a recipe.
        baselines: what to try before anything is asked.
        objectives: what the outcomes' values mean.
        watch: is called after every step, to show progress.
        stages: makes the stages of candidates; None scores all of them in one go.
    """

    study: Study
    pool: Pool
    ledger: Ledger
    recipe_of: Callable[[dict[str, Any]], Recipe]
    baselines: Baselines
    objectives: Sequence[Objective]
    budget: Budget
    watch: Callable[[Driver], None] = lambda _: None
    stages: StageBuilder | None = None
    running: dict[int, Proposal] = field(default_factory=dict)
    """Submitted and not yet back, by number."""
    _history: History = field(default_factory=History)
    _ask_thread: AskThread = field(init=False, repr=False)
    _proposer: Proposer = field(init=False, repr=False)
    _outcome_reader: OutcomeReader = field(init=False, repr=False)
    _are_objectives_checked: bool = False
    _limit_at: tuple[tuple[int, int], str | None] = ((-1, -1), None)
    _stopping: bool = False
    _leaving: bool = False

    def run(self) -> None:
        """Searches until a limit is reached or `stop` was called.

        Raises:
            PoolError: if no worker can work any more.
            ConstantError: if after a few trials all of them score the same on every objective; a
                resumed search continues all the same.
        """
        self._ask_thread = AskThread(self.study)
        self._proposer = Proposer(
            self.study,
            self._ask_thread,
            self.baselines,
            self.recipe_of,
            self.objectives,
            self._history,
            self.ledger,
        )
        self._outcome_reader = OutcomeReader(self.objectives)
        try:
            self._restore()
            while not (self.finished or self._stopping):
                self._submit()
                while self._ask_and_record():
                    self._submit()
                self._record_and_tell(self._receive())
                self.watch(self)
                self._check_objectives()
            self._wait_for_running()
        finally:
            self._ask_thread.close()

    def stop(self) -> None:
        """Ends the search soon: nothing new starts, running candidates have a moment to finish.

        Safe in a signal handler; it never interrupts the recording of an outcome.
        """
        self._stopping = True

    def leave(self) -> None:
        """Ends the search at once, and keeps what has come back; as safe as `stop`."""
        self._stopping = self._leaving = True

    @property
    def trials(self) -> list[Trial]:
        """The finished trials, in the order of finishing."""
        return self._history.trials

    @property
    def clock(self) -> float:
        """Seconds that drivers have run, the time between sessions left out."""
        return self._history.clock

    @property
    def finished(self) -> bool:
        """Whether a limit is reached, or there is nothing left to try."""
        return self.reason is not None

    @property
    def reason(self) -> str | None:
        """Why the search is over, in words, or None."""
        if self._limit:
            return self._limit
        if not self.running and self._proposer.is_done:
            return "there is nothing to search but the baselines"
        return None

    @property
    def _limit(self) -> str | None:
        """The limit that is reached, in words; checked again with each trial and each second."""
        moment = len(self.trials), int(self._history.clock)
        if self._limit_at[0] != moment:
            hours = self._history.clock / 3600
            self._limit_at = moment, self.budget.reached(self.trials, hours, self.objectives)
        return self._limit_at[1]

    # -- ask, record, submit

    def _ask_and_record(self) -> bool:
        """Queues one more recorded proposal, unless enough are queued or none is there yet."""
        queued = len(self._proposer.queue)
        ahead = max(1, self.pool.workers // WORKERS_PER_PROPOSAL)
        if self._proposer.queue.ready >= ahead:
            return False
        number = len(self.trials) + len(self.running) + queued
        return self._proposer.propose(number, self.budget.trials)

    def _submit(self) -> None:
        """Gives every free worker a queued proposal, as far as there are any."""
        while self.pool.free and (proposal := self._next_proposal()):
            self.running[proposal.number] = proposal
            stages = self.stages.stages(proposal, self.trials) if self.stages else None
            self.pool.submit(Candidate(proposal.number, proposal.recipe, stages=stages))

    def _next_proposal(self) -> Proposal | None:
        """The next queued proposal to evaluate; a known recipe is recorded as a duplicate."""
        in_evaluation = {proposal.digest for proposal in self.running.values()}
        while proposal := self._proposer.queue.take(in_evaluation):
            if (trial := duplicate_trial(proposal, self._history)) is None:
                return proposal
            self.ledger.finish(trial)
            self._tell(trial)
        return None

    # -- receive, record, tell

    def _receive(self) -> list[Outcome]:
        """Waits for outcomes, or for the sampler while no candidate is running."""
        is_asking = self._ask_thread.is_under_way
        if is_asking and not self.running:
            self._proposer.take_asked(LONG_WAIT)
            return []
        return self._receive_within(SHORT_WAIT if is_asking else LONG_WAIT)

    def _receive_within(self, seconds: float) -> list[Outcome]:
        outcomes = list(self.pool.wait(seconds))
        if not (self._stopping or self._limit):
            self._submit()  # no worker waits for the disk
        return outcomes

    def _record_and_tell(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if proposal := self.running.pop(outcome.trial, None):  # else a late second answer
                trial = self._record(proposal, outcome)
                self._tell(trial)
                _log(trial)
                self._proposer.queue.requeue()

    def _record(self, proposal: Proposal, outcome: Outcome) -> Trial:
        order, clock = self._history.next_order, self._history.clock
        trial = self._outcome_reader.trial(proposal, outcome, order=order, clock=clock)
        self.ledger.finish(trial, outcome.documents)
        return trial

    def _tell(self, trial: Trial) -> None:
        """Adds a recorded trial to the history, and queues its scores for the study."""
        self._history.add(trial)
        names = [each.name for each in self.objectives]
        known, estimates = trial.estimated_scores, trial.estimates
        values = [known[name] for name in names] if known else None
        errors = [estimates[name].error for name in names] if estimates else None
        broken = trial.state == "broken"
        self._ask_thread.update(
            lambda study: study.tell(trial.number, values, errors=errors, broken=broken)
        )

    def _check_objectives(self) -> None:
        if not self._are_objectives_checked and len(self._history.scored) >= ENOUGH:
            self._are_objectives_checked = True
            for warning in check_objectives(self.objectives, self._history.scored):
                log.warning("%s", warning)

    # -- start and end

    def _restore(self) -> None:
        """Replays the ledger into study, history and queue, in the order in which it happened."""
        contents = self.ledger.contents()
        for error in contents.damage:
            log.warning("%s", error)
        proposals: list[Proposal] = []
        for event in replay(contents):
            if isinstance(event, Trial):
                self._tell(event)
            else:
                self._proposer.register(event)
                proposals.append(event)
        done = {trial.number for trial in self.trials}
        for proposal in proposals:
            if proposal.number not in done:
                self._proposer.queue.add(proposal)
        scored = self._history.scored
        self._are_objectives_checked = len(scored) >= ENOUGH
        self._outcome_reader.documents = full_scoring(self.ledger, scored)
        conditions = [trial.conditions for trial in scored if trial.conditions]
        self._outcome_reader.engines |= {each.get("engine", "hf") for each in conditions}
        self._history.start_session()

    def _wait_for_running(self) -> None:
        """Gives running candidates and a running ask a moment, and keeps what they bring."""
        deadline = time.monotonic() + LAST_WAIT
        while self.running and not self._leaving and (left := deadline - time.monotonic()) > 0:
            self._record_and_tell(self._receive_within(min(left, LONG_WAIT)))
            self.watch(self)
        if self.running:  # what came back in the last moment is kept too
            self._record_and_tell(self._receive_within(0))
        if not (self.finished or self._leaving):  # a resumed search continues with this ask
            self._proposer.take_asked(max(0.0, deadline - time.monotonic()))


_VERBS = {"broken": "is broken", "failed": "has failed", "stopped": "was stopped"}


def _log(trial: Trial) -> None:
    if trial.state == "scored":
        scores = " ".join(f"{name}={value:.4f}" for name, value in trial.scores.items())
        log.info("trial %d scored  %s", trial.number, scores)
    else:
        what = trial.proposal.label or trial.proposal.recipe.method
        level = logging.INFO if trial.state == "stopped" else logging.WARNING
        log.log(
            level, "trial %d (%s) %s: %s", trial.number, what, _VERBS[trial.state], trial.reason
        )

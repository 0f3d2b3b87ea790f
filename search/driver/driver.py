"""The loop: ask, record, submit; take an outcome, record, tell.

Study, pool and ledger are passed in, so it runs in a test with no Ray and no model.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from search.driver.ask_thread import Asker, AskThread
from search.driver.budget import Budget
from search.driver.outcome import Judge, duplicate
from search.ledger.trial import Proposal, Trial
from search.objectives.objective import Objective
from search.results.constant import ENOUGH, check
from search.results.results import RunResults
from search.samplers import Pace
from workers.candidate import Candidate, Outcome
from workers.recipe import Recipe

if TYPE_CHECKING:
    from search.driver.baselines import Baseline, Baselines
    from search.ledger import Ledger
    from workers.pool import Pool

log = logging.getLogger(__name__)

PER_PROPOSAL = 16  # workers to a proposal that is asked ahead: more finish during a single ask
MOMENT = 0.02  # seconds of such a wait while a proposal is on its way
PATIENCE = 0.5  # seconds that one wait for an outcome takes at most: how often progress is shown
RECENT = 100  # scored trials that the pace of a search is taken from
LOOKED_AT = 5  # scored trials whose files are looked at for how long a full scoring is
LAST_WAIT = 15.0  # seconds that candidates under way are given when the search is stopped


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
    first: Baselines
    objectives: Sequence[Objective]
    limits: Budget
    watch: Callable[[Driver], None] = lambda _: None
    trials: list[Trial] = field(default_factory=list)
    running: dict[int, Proposal] = field(default_factory=dict)
    """Submitted and not yet back, by number."""
    started: float = field(default_factory=time.monotonic)
    _ready: deque[Proposal] = field(default_factory=deque)
    """Recorded and not yet submitted: asked ahead, or left by a driver that died."""
    _twins: list[Proposal] = field(default_factory=list)  # wait for the same recipe to be scored
    _known: dict[str, Trial] = field(default_factory=dict)  # scored or broken, by digest
    _scored: list[Trial] = field(default_factory=list)
    _labels: set[str | None] = field(default_factory=set)  # of all proposals
    _digests: set[str] = field(default_factory=set)  # of all proposals
    _earlier: float = 0.0  # seconds of the sessions before this one
    _is_checked: bool = False  # whether the objectives tell trials apart
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _asks: AskThread = field(init=False, repr=False)
    _judge: Judge = field(init=False, repr=False)
    _weighed: tuple[tuple[int, int], str | None] = ((-1, -1), None)
    _stopping: bool = False
    _leaving: bool = False

    def run(self) -> None:
        """Searches until a limit is reached or `stop` was called.

        Raises:
            PoolError: if no worker can work any more.
            ConstantError: if after a few trials all of them score the same on every objective; a
                resumed search goes on all the same.
        """
        self._asks, self._judge = AskThread(self.study), Judge(self.objectives)
        try:
            self._restore()
            while not (self.finished or self._stopping):
                self._submit()
                self._wait()
                self.watch(self)
                self._check_objectives()
            self._wait_briefly()
        finally:
            self._asks.close()

    def stop(self) -> None:
        """Ends the search soon: nothing new is begun, what is under way has a moment to finish.

        Safe in a signal handler; it never cuts into the recording of an outcome.
        """
        self._stopping = True

    def leave(self) -> None:
        """Ends the search at once, and keeps what has come back; as safe as `stop`."""
        self._stopping = self._leaving = True

    @property
    def finished(self) -> bool:
        """Whether a limit is reached, or there is nothing left to try."""
        return self.reason is not None

    @property
    def reason(self) -> str | None:
        """Why the search is over, in words, or None."""
        if self._limit:
            return self._limit
        is_idle = not (self.running or self._ready or self._asks.is_under_way)
        if is_idle and not self.study.can_ask and self._first() is None:
            return "there is nothing to search but the first trials"
        return None

    @property
    def clock(self) -> float:
        """Seconds of this run, those between its sessions left out."""
        return self._earlier + time.monotonic() - self.started

    @property
    def _limit(self) -> str | None:
        """The limit that is reached, in words; weighed again with each trial and each second."""
        moment = len(self.trials), int(self.clock)
        if self._weighed[0] != moment:
            reached = self.limits.reached(self.trials, self.clock / 3600, self.objectives)
            self._weighed = moment, reached
        return self._weighed[1]

    # -- ask, record, submit

    def _submit(self) -> None:
        self._hand_out()
        ahead = max(1, self.pool.workers // PER_PROPOSAL)
        while len(self._ready) < ahead and self._propose():
            self._hand_out()

    def _hand_out(self) -> None:
        while self.pool.free and (proposal := self._next()):
            self.running[proposal.number] = proposal
            self.pool.submit(Candidate(proposal.number, proposal.recipe))

    def _next(self) -> Proposal | None:
        """The next ready proposal whose recipe is neither known nor being scored."""
        being_scored = {proposal.digest for proposal in self.running.values()}
        while self._ready:
            proposal = self._ready.popleft()
            digest = proposal.digest
            if twin := self._known.get(digest):
                self._record(duplicate(proposal, twin, order=self._seen, clock=self.clock))
            elif digest in being_scored:
                self._twins.append(proposal)
            else:
                return proposal
        return None

    @property
    def _proposed(self) -> int:
        waiting = len(self._ready) + len(self._twins) + self._asks.is_under_way
        return len(self.trials) + len(self.running) + waiting

    def _propose(self) -> bool:
        """Puts one more proposal among the ready ones; False if there is none, or none yet."""
        if self._asks.is_under_way:
            return self._take_answer()
        if self._proposed >= self.limits.trials:
            return False
        number = self._proposed
        if first := self._first():
            proposal = Proposal(number, first.recipe, first.params, first.label, seen=self._seen)
            self._note_added(number, first.params, {})
            self.ledger.propose(proposal)
            self._count_in(proposal)
            self._ready.append(proposal)
            return True
        if self.study.can_ask:
            self._asks.begin(number, self._pace, partial(self._write_down, self._seen))
        return False

    def _take_answer(self, seconds: float = 0.0) -> bool:
        if (proposal := self._asks.take(seconds)) is None:
            return False
        self._count_in(proposal)
        self._ready.append(proposal)
        return True

    def _write_down(
        self, seen: int, number: int, params: dict[str, Any], notes: dict[str, Any]
    ) -> Proposal:
        proposal = Proposal(number, self.recipe_of(params), params, notes=notes, seen=seen)
        self.ledger.propose(proposal)
        return proposal

    def _count_in(self, proposal: Proposal) -> None:
        self._labels.add(proposal.label)
        self._digests.add(proposal.digest)

    def _first(self) -> Baseline | None:
        return self.first.next(
            self._labels, self._digests, RunResults(self.objectives, self.trials)
        )

    def _note_added(
        self, number: int, params: Mapping[str, Any] | None, notes: Mapping[str, Any]
    ) -> None:
        def add(study: Asker) -> None:
            given = study.add(None if params is None else dict(params), notes)
            assert given == number, f"the study calls trial {number} {given}"

        self._asks.note(add)

    @property
    def _seen(self) -> int:
        """The order of the next outcome; that of one whose file was lost is not used again."""
        return self.trials[-1].order + 1 if self.trials else 0

    @property
    def _pace(self) -> Pace:
        usual = statistics.median(self._seconds) if self._seconds else None
        return Pace(max(1, self.pool.workers), usual)

    # -- take an outcome, record, tell

    def _wait(self) -> None:
        """For an outcome, or for an answer while there is nobody else to wait for."""
        is_asking = self._asks.is_under_way
        if is_asking and not self.running:
            self._take_answer(PATIENCE)
        else:
            self._receive(MOMENT if is_asking else PATIENCE)

    def _receive(self, seconds: float) -> None:
        outcomes = self.pool.wait(seconds)
        if not (self._stopping or self._limit):
            self._hand_out()  # nobody waits for the disk
        for outcome in outcomes:
            if proposal := self.running.pop(outcome.trial, None):  # else a late second answer
                self._finish(proposal, outcome)
                self._ready.extendleft(self._twins)
                self._twins.clear()

    def _finish(self, proposal: Proposal, outcome: Outcome) -> None:
        trial = self._judge.trial(proposal, outcome, order=self._seen, clock=self.clock)
        self._record(trial, outcome)
        if trial.state == "scored":
            scores = " ".join(f"{name}={value:.4f}" for name, value in trial.scores.items())
            log.info("trial %d scored  %s", trial.number, scores)
        else:
            what = proposal.label or proposal.recipe.method
            log.warning("trial %d %s  %s  (%s)", trial.number, trial.state, trial.reason, what)

    def _record(self, trial: Trial, outcome: Outcome | None = None) -> None:
        self.ledger.finish(trial, outcome.documents if outcome else None)
        self._remember(trial)

    def _remember(self, trial: Trial) -> None:
        self.trials.append(trial)
        if trial.state in ("scored", "broken"):  # one that failed may be tried again
            self._known.setdefault(trial.proposal.digest, trial)
        if trial.state == "scored":
            self._scored.append(trial)
            if spent := sum(trial.seconds.values()):
                self._seconds.append(spent)
        has_scores = trial.state in ("scored", "duplicate")
        values = [trial.scores[each.name] for each in self.objectives] if has_scores else None
        broken = trial.state == "broken"
        self._asks.note(lambda study: study.tell(trial.number, values, broken=broken))

    def _check_objectives(self) -> None:
        if not self._is_checked and len(self._scored) >= ENOUGH:
            self._is_checked = True
            for complaint in check(self.objectives, self._scored):
                log.warning("%s", complaint)

    # -- begin and end

    def _restore(self) -> None:
        """Leads the study through what the ledger knows, in the order in which it happened."""
        contents = self.ledger.contents()
        for fault in contents.damage:
            log.warning("%s", fault)
        outcomes = deque(contents.trials)
        everything = _without_gaps(contents.proposals)
        for number, proposal in everything.items():
            while outcomes and outcomes[0].order < proposal.seen:
                self._remember(outcomes.popleft())
            self._note_added(number, proposal.params, proposal.notes)
            self._count_in(proposal)
        for trial in outcomes:
            self._remember(trial)
        self._is_checked = len(self._scored) >= ENOUGH
        self._judge.rows = self._rows_of_a_scoring()
        known = {trial.number for trial in self.trials}
        self._ready.extend(each for n, each in everything.items() if n not in known)
        self._earlier = max((trial.clock for trial in self.trials), default=0.0)
        self.started = time.monotonic()

    def _rows_of_a_scoring(self) -> int:
        """Document scores of a full one; 0 if nothing is scored that can be read."""
        for trial in self._scored[-LOOKED_AT:]:
            try:
                if rows := int(self.ledger.documents(trial.number).num_rows):
                    return rows
            except ValueError:  # damage, which is named already
                continue
        return 0

    def _wait_briefly(self) -> None:
        deadline = time.monotonic() + LAST_WAIT
        while self.running and not self._leaving and (left := deadline - time.monotonic()) > 0:
            self._receive(min(left, PATIENCE))
            self.watch(self)
        if self.running:  # what came back in the last moment is kept too
            self._receive(0)
        if not (
            self.finished or self._leaving
        ):  # a resumed search goes on with what was being asked
            self._take_answer(max(0.0, deadline - time.monotonic()))


def _without_gaps(proposals: Mapping[int, Proposal]) -> dict[int, Proposal]:
    """The proposals by number; one whose files were lost becomes a second of its neighbour's."""
    found: dict[int, Proposal] = {}
    for number in range(max(proposals, default=-1) + 1):
        near = proposals.get(number) or found.get(number - 1) or proposals[min(proposals)]
        is_lost = number not in proposals
        found[number] = Proposal(number, near.given, seen=near.seen) if is_lost else near
    return found

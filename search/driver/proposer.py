"""What is tried next: the baselines, then the points that the study is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from search.driver.proposal_queue import ProposalQueue
from search.ledger import Proposal
from search.results import RunResults

if TYPE_CHECKING:
    from search.driver.ask_thread import AskThread
    from search.driver.baselines import Baseline, Baselines
    from search.driver.history import History
    from search.ledger import Ledger
    from search.objectives import Objective
    from search.samplers import Study
    from workers.recipe import Recipe


@dataclass
class Proposer:
    """Makes proposals, records them in the ledger and queues them for the workers.

    Args:
        study: proposes points.
        ask_thread: in which the study works.
        baselines: what to try before anything is asked.
        recipe_of: turns a point into a recipe.
        objectives: of the run.
        history: the finished trials.
        ledger: of the run.
    """

    study: Study
    ask_thread: AskThread
    baselines: Baselines
    recipe_of: Callable[[dict[str, Any]], Recipe]
    objectives: Sequence[Objective]
    history: History
    ledger: Ledger
    queue: ProposalQueue = field(default_factory=ProposalQueue)

    @property
    def is_done(self) -> bool:
        """Whether nothing is queued or asked for, and nothing can be proposed any more."""
        is_idle = not (self.queue.ready or self.ask_thread.is_under_way)
        return is_idle and not self.study.can_ask and self._next_baseline() is None

    def propose(self, number: int, trials: int) -> bool:
        """Queues one more proposal, or starts an ask; False if nothing was queued.

        Args:
            number: of the proposal.
            trials: that the budget allows.
        """
        if self.ask_thread.is_under_way:
            return self.take_asked()
        if number >= trials:
            return False
        seen = self.history.next_order
        if baseline := self._next_baseline():
            label, params = baseline.label, baseline.params
            proposal = Proposal.create(number, baseline.recipe, params, label, seen=seen)
            self.ledger.propose(proposal)
            self.register(proposal)
            self.queue.add(proposal)
            return True
        if self.study.can_ask:
            self.ask_thread.start(number, partial(self._record_asked, seen))
        return False

    def take_asked(self, seconds: float = 0.0) -> bool:
        """Queues the proposal that was asked for, if it arrives within so many seconds."""
        if (proposal := self.ask_thread.take(seconds)) is None:
            return False
        self.queue.register(proposal)  # the study that was asked has it already
        self.queue.add(proposal)
        return True

    def register(self, proposal: Proposal) -> None:
        """Adds a proposal that was not asked for in this session to the study and the labels."""
        self.queue.register(proposal)
        number, params, notes = proposal.number, proposal.params, proposal.notes

        def add(study: Study) -> None:
            point = None if params is None else dict(params)
            given = study.add(point, notes, is_input=proposal.is_input)
            assert given == number, f"the study calls trial {number} {given}"

        self.ask_thread.update(add)

    def _next_baseline(self) -> Baseline | None:
        results = RunResults(self.objectives, self.history.trials)
        return self.baselines.next(self.queue.labels, self.queue.digests, results)

    def _record_asked(
        self, seen: int, number: int, params: dict[str, Any], notes: dict[str, Any]
    ) -> Proposal:
        proposal = Proposal.create(number, self.recipe_of(params), params, notes=notes, seen=seen)
        self.ledger.propose(proposal)
        return proposal

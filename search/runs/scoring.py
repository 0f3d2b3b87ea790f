"""Scores trials on documents that the search has not seen, each once, and records the scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Self

from evaluators.wording import counted
from search.driver import OutcomeReader
from search.runs.inputs import changed_inputs, undo_or_restart
from search.runs.run import open_run
from search.runs.search import MakePool, ray_pool
from workers.candidate import Candidate

if TYPE_CHECKING:
    from search.config import Plan
    from search.ledger import Ledger, Proposal, Trial
    from search.objectives import Objective
    from workers.candidate import Outcome
    from workers.pool import Pool

WAIT = 0.5  # seconds of a wait for outcomes


class UnscoredError(ValueError):
    """Trials have no recorded scores on the documents, and none are to be made now."""


class ScoringError(RuntimeError):
    """A trial cannot be scored on other documents; the message says why."""


@dataclass
class DocumentScoring:
    """Scores trials, and starts a pool for it only if one has not been scored before.

    Args:
        ledger: where the scores are recorded.
        objectives: of the run.
        address: of the Ray cluster.
        takeover: take the lease of another driver, which is certainly dead.
        make_pool: something else than a pool of Ray actors.
        say: is told of progress.
        only_recorded: start no pool.
    """

    ledger: Ledger
    objectives: Sequence[Objective]
    address: str = "local"
    takeover: bool = False
    make_pool: MakePool | None = None
    say: Callable[[str], None] = lambda _: None
    only_recorded: bool = False
    _pool: Pool | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def score(self, documents: str, wanted: Iterable[Proposal]) -> dict[int, dict[str, float]]:
        """The scores of proposals by number, without those that are broken on these documents.

        Args:
            documents: the set, `selection` or `report`; `search` for averages of trials.
            wanted: what to score, unless it has been scored before.

        Raises:
            ValueError: if the inputs of the run have changed.
            RunBusyError: if a driver works on the run.
            UnscoredError: if something is to be scored, and only what is recorded is wanted.
            PoolError: if no worker can work any more.
            ScoringError: if a trial failed, or is broken on the report documents.
        """
        by_number = {each.number: each for each in wanted}
        missing = by_number.keys() - self.ledger.scored_on(documents)
        if missing and self.only_recorded:
            raise UnscoredError(f"{counted(len(missing), 'trial')} not scored on {documents}")
        if missing:
            self._score(documents, [by_number[n] for n in sorted(missing)])
        found = {number: self.ledger.scores_on(documents, number)[0] for number in by_number}
        if documents == "report":
            for trial in found.values():
                if not trial.scores:
                    _refuse(trial, documents)
        return {number: dict(trial.scores) for number, trial in found.items() if trial.scores}

    def _score(self, documents: str, missing: Sequence[Proposal]) -> None:
        pool = self._pool or self._start()
        what = "average" if all(each.is_average for each in missing) else "trial"
        self.say(f"scoring {counted(len(missing), what)} on the {documents} documents")
        waiting = list(missing)
        running: dict[int, Proposal] = {}
        while waiting or running:
            while waiting and pool.free:
                proposal = waiting.pop(0)
                running[proposal.number] = proposal
                pool.submit(Candidate(proposal.number, proposal.recipe, documents))
            for outcome in pool.wait(WAIT):
                if answered := running.pop(outcome.trial, None):  # else a late second answer
                    self._record(documents, answered, outcome)

    def _record(self, documents: str, proposal: Proposal, outcome: Outcome) -> None:
        reader = OutcomeReader(self.objectives)
        found = reader.trial(proposal, outcome, order=0, clock=0.0)
        if found.state not in ("scored", "broken"):
            _refuse(found, documents)
        self.ledger.record_scores(documents, found, outcome.documents)

    def _start(self) -> Pool:
        plan = plan_to_score(self.ledger)
        self._stack.enter_context(self.ledger.driving(takeover=self.takeover))
        pool = (self.make_pool or ray_pool)(plan, self.address)
        self._pool = self._stack.enter_context(closing(pool))
        return pool


def plan_to_score(ledger: Ledger) -> Plan:
    """The plan of a run that may be scored on more documents.

    Raises:
        ValueError: if its inputs have changed.
    """
    plan, _ = open_run(ledger.root)
    if changed := changed_inputs(ledger.header["inputs"], plan):
        raise ValueError(
            f"{ledger.root} cannot be scored on more documents, because the scores would not be "
            "comparable:\n"
            + "".join(f"  {each}\n" for each in changed)
            + undo_or_restart(ledger.root)
        )
    return plan


def _refuse(trial: Trial, documents: str) -> NoReturn:
    raise ScoringError(
        f"trial {trial.number} has no scores on the {documents} documents: "
        f"it is {trial.state}, {trial.reason}"
    )

"""Scores trials on documents that the search has not seen, each once, and records the scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from evaluators.wording import counted
from search.driver import OutcomeReader
from search.runs.pool_on_demand import WAIT, PoolOnDemand
from workers.candidate import Candidate

if TYPE_CHECKING:
    from search.ledger import Ledger, Proposal, Trial
    from search.objectives import Objective
    from workers.candidate import Outcome


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
        workers: start when they are needed.
        say: is told of progress.
        only_recorded: start no pool.
    """

    ledger: Ledger
    objectives: Sequence[Objective]
    workers: PoolOnDemand
    say: Callable[[str], None] = lambda _: None
    only_recorded: bool = False

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
                    refuse(trial, documents)
        return {number: dict(trial.scores) for number, trial in found.items() if trial.scores}

    def _score(self, documents: str, missing: Sequence[Proposal]) -> None:
        pool = self.workers.started()
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
            refuse(found, documents)
        self.ledger.record_scores(documents, found, outcome.documents)


def refuse(trial: Trial, documents: str) -> NoReturn:
    """Says why a trial has no scores.

    Raises:
        ScoringError: always.
    """
    raise ScoringError(
        f"trial {trial.number} has no scores on the {documents} documents: "
        f"it is {trial.state}, {trial.reason}"
    )

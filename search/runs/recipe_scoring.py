"""Scores recipes that are no trials of a run, and compares them with one that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evaluators.scores import BrokenModel
from search.driver import OutcomeReader
from search.ledger import Proposal
from search.results import Contrast, contrasts
from search.runs.document_effects import document_effects, evaluator_of
from search.runs.pool_on_demand import WAIT
from search.runs.scoring import ScoringError, refuse
from workers.candidate import Candidate

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.evaluator import Evaluator
    from search.ledger import Ledger, Trial
    from search.results import RunResults
    from search.runs.pool_on_demand import PoolOnDemand
    from workers.recipe import Recipe


@dataclass
class RecipeScoring:
    """Scores recipes that are no trials, one at a time; starts a pool only if one is missing.

    Args:
        ledger: where the scores are recorded.
        results: of the run.
        trial: the one to compare with.
        documents: the set, `selection` or `search`.
        workers: start when they are needed; one is enough, as recipes follow each other.
    """

    ledger: Ledger
    results: RunResults
    trial: Trial
    documents: str
    workers: PoolOnDemand
    scorings: int = 0
    """New ones so far."""

    def contrasts(self, recipe: Recipe) -> list[Contrast]:
        """A recipe beside the original, one test per objective.

        Raises:
            BrokenModel: if it has no scores.
            ScoringError: if it cannot be scored.
        """
        found, table = self._scored(recipe)
        if not found.scores:
            raise BrokenModel(found.reason)
        original, own = self._original
        objectives = self.results.objectives
        new, old = document_effects(
            objectives, [(found.scores, table), (original.scores, own)], lambda: self._evaluator
        )
        return contrasts(objectives, new, old)

    @cached_property
    def _original(self) -> tuple[Trial, pa.Table]:
        number = self.trial.number
        if self.documents == "search":
            return self.trial, self.ledger.documents(number)
        if number in self.ledger.scored_on(self.documents):  # by a verdict
            return self.ledger.scores_on(self.documents, number)
        found, table = self._scored(self.trial.proposal.recipe)
        if not found.scores:
            refuse(found, self.documents)
        return found, table

    @cached_property
    def _evaluator(self) -> Evaluator:
        return evaluator_of(self.ledger)

    def _scored(self, recipe: Recipe) -> tuple[Trial, pa.Table | None]:
        known = self.ledger.simplified(self.documents, recipe.digest)
        if known is None:
            found, table = self._score(recipe)
            self.ledger.record_simplified(self.documents, found, table)
            return found, table
        return known

    def _score(self, recipe: Recipe) -> tuple[Trial, pa.Table | None]:
        pool = self.workers.started()
        self.scorings += 1  # also the name of this candidate: a late answer may be of another
        pool.submit(Candidate(self.scorings, recipe, self.documents))
        outcome = None
        while outcome is None:
            answers = (each for each in pool.wait(WAIT) if each.trial == self.scorings)
            outcome = next(answers, None)
        number = self.trial.number
        proposal = Proposal.create(number, recipe, label=f"simplified from {number}")
        reader = OutcomeReader(self.results.objectives)
        found = reader.trial(proposal, outcome, order=0, clock=0.0)
        if found.state not in ("scored", "broken"):
            raise ScoringError(f"recipe {recipe.digest} cannot be scored: {found.reason}")
        return found, outcome.documents

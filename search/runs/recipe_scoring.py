"""Scores recipes that are no trials of a run, and compares them with one that is."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from evaluators.evaluator import make_evaluator
from evaluators.scores import BrokenModel
from search.config import parse_config, suite_settings
from search.driver import OutcomeReader
from search.ledger import CONFIG, Proposal
from search.results import Contrast, contrasts
from search.runs.document_effects import document_effects
from search.runs.run import config_of
from search.runs.scoring import WAIT, ScoringError, plan_to_score
from search.runs.search import ray_pool
from workers.candidate import Candidate

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.evaluator import Evaluator
    from search.ledger import Ledger, Trial
    from search.results import RunResults
    from search.runs.search import MakePool
    from workers.pool import Pool
    from workers.recipe import Recipe


@dataclass
class RecipeScoring:
    """Scores recipes that are no trials, one at a time; starts a pool only if one is missing.

    Args:
        ledger: where the scores are recorded.
        results: of the run.
        trial: the one to compare with.
        documents: the set, `selection` or `search`.
        address: of the Ray cluster.
        takeover: take the lease of another driver, which is certainly dead.
        make_pool: something else than a pool of Ray actors.
    """

    ledger: Ledger
    results: RunResults
    trial: Trial
    documents: str
    address: str
    takeover: bool
    make_pool: MakePool | None
    scorings: int = 0
    """New ones so far."""
    _pool: Pool | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

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
            raise ScoringError(
                f"trial {number} has no scores on the {self.documents} documents: it is "
                f"{found.state}, {found.reason}"
            )
        return found, table

    @cached_property
    def _evaluator(self) -> Evaluator:
        config = parse_config(config_of(self.ledger), Path(CONFIG))
        return make_evaluator(suite_settings(config))

    def _scored(self, recipe: Recipe) -> tuple[Trial, pa.Table]:
        known = self.ledger.simplified(self.documents, recipe.digest)
        if known is None:
            found, table = self._score(recipe)
            self.ledger.record_simplified(self.documents, found, table)
            return found, table
        return known

    def _score(self, recipe: Recipe) -> tuple[Trial, pa.Table]:
        pool = self._pool or self._start()
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

    def _start(self) -> Pool:
        plan = plan_to_score(self.ledger)
        workers = plan.config.workers.model_copy(update={"max": 1})  # they follow each other
        plan = replace(plan, config=plan.config.model_copy(update={"workers": workers}))
        self._stack.enter_context(self.ledger.driving(takeover=self.takeover))
        pool = (self.make_pool or ray_pool)(plan, self.address)
        self._pool = self._stack.enter_context(closing(pool))
        return pool

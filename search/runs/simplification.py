"""A shorter recipe than a trial's, which a paired test cannot tell from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from evaluators.documents import DocumentSettings
from evaluators.evaluator import make_evaluator
from search.config import parse_config, suite_settings
from search.driver import OutcomeReader
from search.ledger import CONFIG, Proposal
from search.results import Contrast, Tensors, collapsed, contrasts, count_numbers, steps
from search.runs.document_effects import document_effects
from search.runs.run import config_of, results_of
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

SCORINGS = 20


@dataclass(frozen=True)
class Attempt:
    """A step that was tried."""

    step: str
    digest: str
    """Of the recipe that it leads to."""
    contrasts: Sequence[Contrast]
    """With the original; none if the model is broken."""
    cause: str | None = None
    """Why there are none."""

    @property
    def is_kept(self) -> bool:
        """Whether no test tells that the shorter recipe is worse."""
        return bool(self.contrasts) and not any(each.is_worse for each in self.contrasts)

    def to_json(self) -> dict[str, Any]:
        """As in `mergefront simplify --json`."""
        return {
            "step": self.step,
            "kept": self.is_kept,
            "digest": self.digest,
            "cause": self.cause,
            "objectives": {each.objective: each.to_json() for each in self.contrasts},
        }


@dataclass(frozen=True)
class Simplification:
    """What became of a trial's recipe."""

    run: str
    trial: Trial
    recipe: Recipe
    documents: str
    """The set of documents that the two were compared on."""
    attempts: Sequence[Attempt]
    scorings: int
    """New ones; what was scored before is read from the run."""
    is_complete: bool
    """Whether every step was tried; otherwise there were more than the limit."""

    @property
    def numbers(self) -> tuple[int, int]:
        """In the original recipe, and in the new one."""
        return count_numbers(self.trial.proposal.recipe), count_numbers(self.recipe)

    @property
    def contrasts(self) -> Sequence[Contrast]:
        """The new recipe beside the original; none if it is the original."""
        kept = [each for each in self.attempts if each.is_kept]
        return kept[-1].contrasts if kept else ()

    def to_json(self) -> dict[str, Any]:
        """What `mergefront simplify --json` prints; the keys are kept stable."""
        before, after = self.numbers
        return {
            "version": 1,
            "run": self.run,
            "trial": self.trial.number,
            "documents": self.documents,
            "digest": {"before": self.trial.proposal.digest, "after": self.recipe.digest},
            "numbers": {"before": before, "after": after},
            "recipe": self.recipe.to_dict(),
            "objectives": {each.objective: each.to_json() for each in self.contrasts},
            "steps": [each.to_json() for each in self.attempts],
            "scorings": self.scorings,
            "complete": self.is_complete,
        }


def simplify(
    ledger: Ledger,
    number: int,
    *,
    limit: int = SCORINGS,
    address: str = "local",
    takeover: bool = False,
    make_pool: MakePool | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Simplification:
    """Shortens a recipe step by step as long as a paired test cannot tell that it got worse.

    Every recipe is compared with the original, on the selection documents, or on the search
    documents if there are no others. Its scores are kept in the run, so none is scored twice.

    Args:
        ledger: of the run.
        number: of the trial.
        limit: of steps that are tried.
        address: of the Ray cluster; "local" starts one here.
        takeover: take the lease of another driver, which is certainly dead.
        make_pool: something else than a pool of Ray actors.
        say: is told of progress.

    Raises:
        ValueError: if there is no such scored trial, or models or documents have changed.
        RunBusyError: if something is to be scored and a driver works on the run.
        PoolError: if no worker can work any more.
        ScoringError: if a recipe cannot be scored.
    """
    results = results_of(ledger)
    trial = results.trial(number)
    if not trial.scores:
        raise ValueError(f"trial {number} is {trial.state}, without scores to compare with")
    shares = DocumentSettings.model_validate(config_of(ledger)["documents"])
    documents = "selection" if shares.selection else "search"
    original = trial.proposal.recipe
    current, attempts, complete = collapsed(original), list[Attempt](), True
    tried = {current.digest}
    with _RecipeScoring(ledger, results, trial, documents, address, takeover, make_pool) as scoring:
        for step in steps(original, _tensors(original)):
            shorter = step.apply(current)
            if shorter is None or shorter.digest in tried:
                continue
            tried.add(shorter.digest)
            if len(attempts) == limit:
                complete = False
                break
            say(f"{step.name}: scored on the {documents} documents")
            attempts.append(scoring.attempt(step.name, shorter))
            current = shorter if attempts[-1].is_kept else current
    return Simplification(
        run=ledger.header["name"],
        trial=trial,
        recipe=current,
        documents=documents,
        attempts=attempts,
        scorings=scoring.scorings,
        is_complete=complete,
    )


def _tensors(recipe: Recipe) -> Tensors:
    from workers.merge import tensor_sizes  # imports torch

    return Tensors(*tensor_sizes(recipe))


@dataclass
class _RecipeScoring:
    """Scores recipes that are no trials, one at a time; starts a pool only if one is missing."""

    ledger: Ledger
    results: RunResults
    trial: Trial
    documents: str
    address: str
    takeover: bool
    make_pool: MakePool | None
    scorings: int = 0
    _pool: Pool | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def attempt(self, step: str, recipe: Recipe) -> Attempt:
        """A recipe beside the original."""
        found, table = self._scored(recipe)
        if not found.scores:
            return Attempt(step, recipe.digest, (), found.reason)
        original, own = self._original
        objectives = self.results.objectives
        new, old = document_effects(
            objectives, [(found.scores, table), (original.scores, own)], lambda: self._evaluator
        )
        return Attempt(step, recipe.digest, contrasts(objectives, new, old))

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

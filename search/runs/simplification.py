"""A shorter recipe than a trial's, which a paired test cannot tell from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluators.documents import DocumentSettings
from evaluators.scores import BrokenModel
from search.results import Contrast, Tensors, collapsed, count_numbers, steps
from search.runs.pool_on_demand import PoolOnDemand
from search.runs.recipe_scoring import RecipeScoring
from search.runs.run import config_of, results_of

if TYPE_CHECKING:
    from search.ledger import Ledger, Trial
    from search.runs.search import MakePool
    from workers.recipe import Recipe


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
    limit: int,
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
    with PoolOnDemand(ledger, address, takeover, make_pool, workers=1) as pool:
        scoring = RecipeScoring(ledger, results, trial, documents, pool)
        for step in steps(original, _tensors(original)):
            shorter = step.apply(current)
            if shorter is None or shorter.digest in tried:
                continue
            tried.add(shorter.digest)
            if len(attempts) == limit:
                complete = False
                break
            say(f"trying on the {documents} documents: {step.name}")
            attempts.append(_attempt(scoring, step.name, shorter))
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


def _attempt(scoring: RecipeScoring, step: str, recipe: Recipe) -> Attempt:
    try:
        return Attempt(step, recipe.digest, scoring.contrasts(recipe))
    except BrokenModel as broken:
        return Attempt(step, recipe.digest, (), str(broken))

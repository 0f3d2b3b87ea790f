"""Averages of trials side by side on the front, which a verdict tries too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from search.ledger import FIRST_AVERAGE, Proposal
from search.runs.run import results_of
from workers.recipe import average

if TYPE_CHECKING:
    from search.ledger import Ledger
    from search.results import RunResults
    from search.runs.scoring import DocumentScoring
    from workers.recipe import Recipe

MOST = 8  # averages of one front: each costs a full scoring


def with_averages(results: RunResults, ledger: Ledger, scoring: DocumentScoring) -> RunResults:
    """The results with averages of the front, scored on the search documents if they are not yet.

    They are no trials of the search: a resumed search neither sees nor counts them.

    Args:
        results: of the run, with the averages of earlier verdicts.
        ledger: of the run.
        scoring: scores what has no scores yet.
    """
    if missing := _missing(results, results_of(ledger, averages=False)):
        scoring.score("search", missing)
        return results_of(ledger)
    return results


def _missing(results: RunResults, searched: RunResults) -> list[Proposal]:
    """The averages without an outcome, numbered on from those that have one."""
    done = {each.number: each.proposal for each in results.trials if each.proposal.is_average}
    digests = {each.digest for each in done.values()}
    first = max(done, default=FIRST_AVERAGE - 1) + 1
    wanted = {
        label: recipe
        for label, recipe in islice(_averages(searched), MOST)
        if recipe.digest not in digests
    }
    return [
        Proposal.create(number, recipe, label=label)
        for number, (label, recipe) in enumerate(wanted.items(), first)
    ]


def _averages(searched: RunResults) -> Iterator[tuple[str, Recipe]]:
    """Label and recipe of what no trial has tried, where the front is sparsest first."""
    tried = {trial.proposal.digest for trial in searched.trials}
    for pair in searched.neighbours():
        one, other = sorted(pair, key=lambda trial: trial.number)
        found = average(one.proposal.recipe, other.proposal.recipe)
        if found and found.digest not in tried:
            tried.add(found.digest)
            yield f"average of {one.number} and {other.number}", found

"""Scores on the selection documents, shrunk towards those on the search documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search.results.interval import standard_error
from search.results.paired_test import paired_influences

if TYPE_CHECKING:
    from search.results.document_scores import DocumentScores, Influences


def shrink(
    search: Sequence[DocumentScores], selection: Sequence[DocumentScores]
) -> NDArray[np.float64]:
    """The scores of candidates on new documents, from both sets.

    The candidates were chosen by their search scores, which therefore flatter all of them: the
    mean difference to the selection scores is removed first. What is left of each candidate's
    difference is then reduced by the share that the chance of the selection documents has in it:
    the more documents were searched on, and the fewer are for selection, the more.

    Args:
        search: the candidates' scores that they were chosen by.
        selection: the same candidates' scores on the selection documents.
    """
    first = np.array([each.score for each in search])
    second = np.array([each.score for each in selection])
    change = second - first
    rest = change - change.mean()
    by_chance = _variances(selection)
    total = by_chance + _variances(search)
    share = np.divide(by_chance, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(second - share * rest)


def _variances(scores: Sequence[DocumentScores]) -> NDArray[np.float64]:
    """Of the difference of each score and the mean of all, on the same documents."""
    mean = _mean([each.influences for each in scores])
    errors = [standard_error(paired_influences(each.influences, mean))[0] for each in scores]
    return np.array([min(error**2, 1e300) for error in errors])


def _mean(influences: Sequence[Influences]) -> Influences:
    tasks = dict.fromkeys(task for each in influences for task in each)
    return {
        task: np.asarray(sum(each.get(task, np.zeros(1)) for each in influences) / len(influences))
        for task in tasks
    }

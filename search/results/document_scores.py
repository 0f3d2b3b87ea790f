"""An objective's score on a set of documents, and how each document changes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluators.jackknife import block_influences
from evaluators.ratio import Ratio, is_of_ratio

if TYPE_CHECKING:
    from search.objectives import Metric, Objective

Influences = Mapping[str, NDArray[np.float64]]
"""Task -> one number per document, with mean 0: the score of n documents varies by their standard
deviation / sqrt(n)."""
Raw = Mapping[str, Mapping[tuple[str, str], Sequence[Any]]]
"""Task -> (metric, filter) -> the values of its documents, as `raw_values` reads them."""


@dataclass(frozen=True)
class DocumentScores:
    """The score of one candidate on a set of documents, for one objective."""

    score: float
    influences: Influences
    binary: NDArray[np.float64] | None = None
    """The values of the documents, if the score is their mean and each is 0 or 1."""


def document_scores(objective: Objective, score: float, raw: Raw) -> DocumentScores | None:
    """The influences by the delta method; None if the score is no mean or ratio of documents.

    Args:
        objective: what was scored.
        score: its value, which the values of the documents must reproduce.
        raw: the values of the documents.
    """
    total, value = math.fsum(each.weight for each in objective.metrics), 0.0
    influences: dict[str, NDArray[np.float64]] = {}
    for each in objective.metrics:
        found = _metric(each, raw)
        if found is None:
            return None
        share = each.weight / total
        value += share * found[0]
        influences[each.task] = influences.get(each.task, 0.0) + share * found[1]
    if not math.isclose(value, score, rel_tol=1e-6, abs_tol=1e-9):
        return None  # the task has an aggregation of its own
    return DocumentScores(score, influences, _binary(objective, score, influences))


def jackknife(
    score: float, sizes: Mapping[str, int], without: Callable[[str, range], float]
) -> DocumentScores:
    """The influences of blocks of documents on any score, by leaving out one block at a time.

    Args:
        score: on all documents.
        sizes: task -> number of its documents.
        without: the score without these documents of a task, counted from 0.
    """
    influences = {}
    for task, size in sizes.items():
        found = block_influences(size, partial(without, task))
        if len(found) and np.ptp(found) > 0:  # otherwise the objective is of other tasks
            influences[task] = found
    return DocumentScores(score, influences)


def _metric(metric: Metric, raw: Raw) -> tuple[float, NDArray[np.float64]] | None:
    """The value of a metric, and the influence of each document on it."""
    name, _, filter_ = metric.key.partition(",")
    found = Ratio.of(name, raw.get(metric.task, {}).get((name, filter_), ()))
    return (found.value, found.influences) if found else None  # a group of tasks has no documents


def _binary(
    objective: Objective, score: float, influences: Influences
) -> NDArray[np.float64] | None:
    if len(objective.metrics) > 1 or is_of_ratio(objective.metrics[0].key.partition(",")[0]):
        return None
    values = score + influences[objective.metrics[0].task]
    rounded = np.round(values)
    is_binary = np.allclose(values, rounded, atol=1e-9) and set(rounded) <= {0.0, 1.0}
    return rounded if is_binary else None

"""Standard errors and 95 % intervals of scores on a sample of documents."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from search.results.document_scores import DocumentScores, Influences

CONFIDENCE = 0.95

Interval = tuple[float, float]


def interval(scores: DocumentScores) -> Interval:
    """The 95 % interval of a score: Wilson's for a share, Student's otherwise."""
    if scores.binary is not None:
        from scipy import stats  # takes half a second

        hits, n = int(scores.binary.sum()), len(scores.binary)
        found = stats.binomtest(hits, n).proportion_ci(CONFIDENCE, method="wilson")
        return float(found.low), float(found.high)
    width = half_width(*standard_error(scores.influences))
    return scores.score - width, scores.score + width


def half_width(error: float, freedom: float) -> float:
    """Of Student's interval; infinite if it has no degrees of freedom."""
    if freedom <= 0:
        return math.inf
    from scipy import stats

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error


def standard_error(influences: Influences, *, protected: bool = False) -> tuple[float, float]:
    """The standard error of a score, and its degrees of freedom (Welch 1947, over the tasks).

    Args:
        influences: of the documents on it.
        protected: count one more difference of 1, so that equal answers to all of a few documents
            do not prove equal models.
    """
    return _combined((_variance(each, protected), len(each) - 1) for each in influences.values())


def _variance(influences: NDArray[np.float64], protected: bool) -> float:
    """Of the mean; infinite if there is one document."""
    n = len(influences)
    if n < 2:
        return math.inf
    return float(np.square(influences).sum() + protected) / (n - 1) / n


def _combined(parts: Iterable[tuple[float, int]]) -> tuple[float, float]:
    """The standard error of a sum of independent parts, each with variance and freedom."""
    known = list(parts)
    total = math.fsum(variance for variance, _ in known)
    if not math.isfinite(total) or not known:
        return math.inf, 0.0
    if total == 0:
        return 0.0, float(min(freedom for _, freedom in known))
    return math.sqrt(total), total**2 / math.fsum(v**2 / freedom for v, freedom in known)

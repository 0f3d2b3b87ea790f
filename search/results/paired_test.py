"""Paired tests of two candidates on the same documents, and Holm's correction of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from search.results.interval import Interval, half_width, standard_error

if TYPE_CHECKING:
    from search.results.document_scores import DocumentScores, Influences


@dataclass(frozen=True)
class PairedTest:
    """The difference of two scores on the same documents, and how surely it is not 0."""

    difference: float
    half_width: float
    """Of its 95 % interval."""
    p_value: float
    """Two-sided, of this test alone."""
    test: Literal["mcnemar", "paired t"]

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the difference."""
        return self.difference - self.half_width, self.difference + self.half_width


def paired_test(one: DocumentScores, other: DocumentScores) -> PairedTest:
    """Tests the difference `one - other`: McNemar's exact test if all scores are 0 or 1.

    Raises:
        ValueError: if the two were scored on different numbers of documents.
    """
    difference = one.score - other.score
    influences = paired_influences(one.influences, other.influences)
    if one.binary is not None and other.binary is not None:
        width = half_width(*standard_error(influences, protected=True))
        return PairedTest(difference, width, mcnemar(one.binary, other.binary), "mcnemar")
    error, freedom = standard_error(influences)
    p_value = _student(difference, error, freedom)
    return PairedTest(difference, half_width(error, freedom), p_value, "paired t")


def mcnemar(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The exact p-value of McNemar (1947) for two series of 0 and 1."""
    from scipy import stats

    wins, losses = int((one > other).sum()), int((one < other).sum())
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for being many, in the same order (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    factors = len(order) - np.arange(len(order))
    corrected = np.empty(len(order))
    steps = np.maximum.accumulate(factors * np.asarray(p_values, np.float64)[order])
    corrected[order] = np.minimum(steps, 1.0)
    return [float(each) for each in corrected]


def paired_influences(one: Influences, other: Influences) -> Influences:
    """Document by document, the influence on the difference of two scores.

    Raises:
        ValueError: if they have different numbers of documents.
    """
    found = {}
    for task in dict.fromkeys([*one, *other]):
        a, b = one.get(task), other.get(task)
        if a is not None and b is not None and len(a) != len(b):
            raise ValueError(
                f"task {task}: scores of {len(a)} and of {len(b)} documents cannot be compared"
            )
        zero = np.zeros(1)
        found[task] = (zero if a is None else a) - (zero if b is None else b)
    return found


def _student(difference: float, error: float, freedom: float) -> float:
    if difference == 0 or freedom <= 0:
        return 1.0
    if error == 0:  # every document says the same: as sure as if each tossed a coin
        return float(2.0**-freedom)
    from scipy import stats

    return float(2 * stats.t.sf(abs(difference) / error, freedom))

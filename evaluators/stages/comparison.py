"""The paired difference of a candidate, scored on some documents, and one scored on all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluators.jackknife import block_influences
from evaluators.ratio import value_and_slope

if TYPE_CHECKING:
    from evaluators.stages.criterion import Address, Array, Criterion, StagedMetric, Values

Aggregate = Callable[["Address", "Array"], float]
"""The value of a metric over documents, shape (n_documents, n_parts), as lm-eval aggregates it."""


@dataclass(frozen=True)
class Difference:
    """How much better the candidate is: positive if it is, whatever the direction."""

    gain: float
    error: float
    """Standard error of the gain, in place of that over all documents; 0 once all are scored."""
    value: float
    """The candidate's value over all documents, as far as can be estimated."""

    def upper(self, z: float) -> float:
        """The largest gain that is still likely."""
        return self.gain + z * self.error if self.error else self.gain


def difference(
    criterion: Criterion, candidate: Values, reference: Values, aggregate: Aggregate
) -> Difference:
    """The candidate's difference to a reference, from the documents that it is scored on.

    The interval is that of a mean of a finite set of documents (Cochran 1977, chapter 2), with a
    variance that is protected from too few differences: see `StagedMetric.unit`. A function of a
    ratio is linearised at the reference; a perplexity is then worse than estimated, if anything.

    Args:
        criterion: what they are compared in.
        candidate: its values, of a prefix of the documents of each task.
        reference: values of all documents.
        aggregate: computes the metrics that are no ratios.
    """
    gain = variance = value = 0.0
    for metric in criterion.metrics:
        one, other = candidate[metric.address], reference[metric.address]
        if not len(one):
            return Difference(0.0, math.inf, math.nan)
        if metric.kind == "ratio":
            its_gain, its_variance, its_value = _ratio(metric, one, other)
        else:
            its_gain, its_variance, its_value = _aggregated(metric, one, other, aggregate)
        rest = 1 - len(one) / len(other)
        gain += metric.share * its_gain
        variance += metric.share**2 * its_variance * rest
        value += metric.share * its_value
    return Difference(criterion.sign * gain, math.sqrt(variance), value)


def _ratio(metric: StagedMetric, one: Array, other: Array) -> tuple[float, float, float]:
    paired = one - other[: len(one)]
    mean, whole = float(paired.mean()), float(other.mean())
    variance = _variance(paired, metric.unit)
    _, slope = value_and_slope(metric.name, whole)
    value, its_slope = value_and_slope(metric.name, whole + mean)
    steepest = max(abs(slope), abs(its_slope))
    return slope * mean, steepest * steepest * variance, value  # a power may raise OverflowError


def _aggregated(
    metric: StagedMetric, one: Array, other: Array, aggregate: Aggregate
) -> tuple[float, float, float]:
    n = len(one)
    mine, theirs = (_influences(metric, each, aggregate) for each in (one, other[:n]))
    mean = aggregate(metric.address, one) - aggregate(metric.address, other[:n])
    variance = _variance(mine - theirs, 0.0) + (metric.unit / n) ** 2
    return mean, variance, aggregate(metric.address, other) + mean


def _influences(metric: StagedMetric, values: Array, aggregate: Aggregate) -> NDArray[np.float64]:
    def without(block: range) -> float:
        return aggregate(metric.address, np.delete(values, list(block), axis=0))

    return block_influences(len(values), without)


def _variance(values: Array, unit: float) -> float:
    """Of the mean of a random sample, as if one more value were different by a unit."""
    n = len(values)
    return float(np.square(values).sum() + unit**2) / n**2 - float(values.mean()) ** 2 / n

"""Metrics that are means of documents, or functions of one sum over documents divided by another.

Of such a metric it is known how each document changes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LN2 = math.log(2)
_OF_RATIO: Mapping[str, Callable[[float], tuple[float, float]]] = {
    "bits_per_byte": lambda x: (-x / _LN2, -1 / _LN2),
    **dict.fromkeys(
        ("perplexity", "weighted_perplexity", "word_perplexity", "byte_perplexity"),
        lambda x: (_exp(-x), -_exp(-x)),
    ),
}
"""lm-eval's metrics that are functions of (sum of values) / (sum of weights), with derivative."""


def is_of_ratio(metric: str) -> bool:
    """Whether lm-eval's metric of this name is another function of a ratio than the ratio."""
    return metric in _OF_RATIO


def value_and_slope(metric: str, ratio: float) -> tuple[float, float]:
    """The metric at a ratio, and its derivative."""
    return _OF_RATIO[metric](ratio) if metric in _OF_RATIO else (ratio, 1.0)


@dataclass(frozen=True)
class Ratio:
    """The values of a metric per document: parts whose sum is divided by that of the weights."""

    metric: str
    parts: Array
    weights: Array
    """1 for a mean; bytes or words for the metrics of rolling log-likelihoods."""

    @classmethod
    def of(cls, metric: str, values: Sequence[Any]) -> Ratio | None:
        """Reads the values that a table of documents has; None if they are of another kind."""
        if not len(values):
            return None
        if isinstance(values[0], int | float):
            parts = np.asarray(values, np.float64)
            return cls(metric, parts, np.ones(len(parts)))
        if not is_of_ratio(metric):
            return None
        parts, weights = np.array(values, np.float64).T
        return cls(metric, parts, weights)

    @property
    def ratio(self) -> float:
        """The sum of the parts divided by the sum of the weights."""
        return float(self.parts.sum() / self.weights.sum())

    @property
    def value(self) -> float:
        """The metric over all documents."""
        return value_and_slope(self.metric, self.ratio)[0]

    @property
    def influences(self) -> Array:
        """How much each document changes the value: by the delta method, with mean 0."""
        _, slope = value_and_slope(self.metric, self.ratio)
        return np.asarray(
            slope * (self.parts - self.ratio * self.weights) / self.weights.mean(), np.float64
        )


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf

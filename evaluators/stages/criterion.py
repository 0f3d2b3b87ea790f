"""What candidates are compared in while they are scored: objectives, as a worker needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.ratio import Ratio

Array = NDArray[np.float64]
Address = tuple[str, str]
"""A task, and "metric,filter" as lm-eval names it."""
Values = Mapping[Address, Array]
"""The values of a candidate's documents in the order of scoring: shape (n_documents,), or
(n_documents, n_parts) for a metric that lm-eval has to aggregate."""

AGGREGATED = ("f1", "mcc")
"""Metrics of label and prediction that are smooth enough for the jackknife."""


@dataclass(frozen=True)
class StagedMetric:
    """One metric of a criterion."""

    address: Address
    share: float = 1.0
    """Of the criterion's value."""
    scale: float = 1.0
    """The mean weight of a document, such as its bytes; 1 for a mean."""
    kind: Literal["ratio", "aggregated"] = "ratio"
    unit: float = 1.0
    """The largest difference between two models on a document: a sample in which all differences
    are equal counts as if one more document differed by it."""

    @property
    def name(self) -> str:
        """Of the metric, without the filter."""
        return self.address[1].partition(",")[0]

    def values(self, raw: Sequence[Any]) -> Array:
        """The values of documents, from those in a table of documents."""
        if not raw:
            return np.empty(0)
        if self.kind == "aggregated":
            return np.array(raw, np.float64).reshape(len(raw), -1)
        found = Ratio.of(self.name, raw)
        assert found is not None, f"{self.address} has other values than those of the input models"
        return np.asarray(found.parts / self.scale)


@dataclass(frozen=True)
class Criterion:
    """An objective: a weighted mean of metrics, and whether higher or lower is better."""

    name: str
    sign: Literal[1, -1]
    """1 if higher values are better."""
    metrics: tuple[StagedMetric, ...]
    tolerance: float = 0.0

    @property
    def tasks(self) -> frozenset[str]:
        """Whose documents it needs."""
        return frozenset(metric.address[0] for metric in self.metrics)


@dataclass(frozen=True)
class Reference:
    """A candidate that is scored on all documents, to compare others with."""

    trial: int
    values: Values

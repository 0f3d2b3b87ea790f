"""What stages need to know of documents before the first candidate: the input models' scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from evaluators.ratio import Ratio
from evaluators.scores import document_ids, metric_values
from evaluators.stages.criterion import AGGREGATED, Criterion, Reference, StagedMetric
from evaluators.stages.order import stratified_order

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.stages.criterion import Address, Array

Order = Mapping[str, tuple[int, ...]]
"""Task -> document ids in the order of scoring."""


def fitted(
    criteria: Sequence[Criterion],
    inputs: Sequence[pa.Table],
    scores: Sequence[Mapping[str, float]],
) -> tuple[Criterion, ...]:
    """Criteria whose metrics have their scale, kind and unit, as the input models show them.

    Args:
        criteria: as the objectives have them.
        inputs: tables of the search documents, of each input model.
        scores: of the same models, by criterion.

    Raises:
        ValueError: if a criterion is no mean or ratio of documents, no f1 and no mcc.
    """
    return tuple(_fitted(each, inputs, [row[each.name] for row in scores]) for each in criteria)


def constant_criteria(criteria: Sequence[Criterion], inputs: Sequence[pa.Table]) -> list[str]:
    """Names of the criteria in which the input models do not differ on a single document.

    Args:
        criteria: fitted.
        inputs: tables of the search documents, of each input model.
    """
    return [
        each.name
        for each in criteria
        if not any(_spread(metric, inputs) for metric in each.metrics)
    ]


def document_order(criteria: Sequence[Criterion], inputs: Sequence[pa.Table], seed: int) -> Order:
    """The order in which the documents of each task are scored, stratified by their difficulty.

    Args:
        criteria: fitted.
        inputs: tables of the search documents, of each input model.
        seed: of the run.
    """
    metrics = {metric.address[0]: metric for each in criteria for metric in each.metrics}
    order = {}
    for task, ids in document_ids(inputs[0]).items():
        difficulty = np.zeros(len(ids))
        if metric := metrics.get(task):
            difficulty = np.mean([_difficulty(metric, table, ids) for table in inputs], 0)
        found = stratified_order(difficulty, [seed, crc32(task.encode())])
        order[task] = tuple(ids[i] for i in found)
    return order


def reference(
    trial: int, criteria: Sequence[Criterion], documents: pa.Table, order: Order
) -> Reference:
    """A trial that is scored on all documents, to compare others with.

    Args:
        trial: its number.
        criteria: fitted.
        documents: table of its search documents.
        order: of the documents.

    Raises:
        ValueError: if it lacks a document.
    """
    values: dict[Address, Array] = {}
    for metric in (metric for each in criteria for metric in each.metrics):
        raw = metric_values(documents, *metric.address)
        task = metric.address[0]
        ids = order.get(task, ())
        if raw.keys() != set(ids):
            raise ValueError(f"trial {trial} is scored on other documents of task {task}")
        values[metric.address] = metric.values([raw[i] for i in ids])
    return Reference(trial, values)


def _fitted(criterion: Criterion, inputs: Sequence[pa.Table], scores: Sequence[float]) -> Criterion:
    raws = [
        [list(metric_values(table, *metric.address).values()) for table in inputs]
        for metric in criterion.metrics
    ]
    pairs = zip(criterion.metrics, raws, strict=True)
    metrics = [_fitted_metric(criterion.name, metric, raw) for metric, raw in pairs]
    if all(metric.kind == "ratio" for metric in metrics):
        for model, score in enumerate(scores):
            ratios = (
                (m.share, Ratio.of(m.name, raw[model]))
                for m, raw in zip(metrics, raws, strict=True)
            )
            value = math.fsum(share * ratio.value for share, ratio in ratios if ratio)
            if not math.isclose(value, score, rel_tol=1e-6, abs_tol=1e-9):
                raise ValueError(f"{criterion.name}: its task has an aggregation of its own")
    return replace(criterion, metrics=tuple(metrics))


def _fitted_metric(name: str, metric: StagedMetric, raw: Sequence[list[Any]]) -> StagedMetric:
    if not raw[0]:
        raise ValueError(f"{name}: {metric.address[1]} of {metric.address[0]} has no documents")
    ratio = Ratio.of(metric.name, raw[0])
    if ratio is not None:
        metric = replace(metric, scale=float(ratio.weights.mean()))
    elif metric.name in AGGREGATED:
        metric = replace(metric, kind="aggregated")
    else:
        raise ValueError(f"{name}: {metric.name} is no mean or ratio of documents")
    values = np.array([metric.values(each) for each in raw])
    unit = np.ptp(values, axis=0).max() or np.ptp(values)
    return replace(metric, unit=float(unit or 1.0))


def _spread(metric: StagedMetric, inputs: Sequence[pa.Table]) -> float:
    raw = [list(metric_values(table, *metric.address).values()) for table in inputs]
    return float(np.ptp(np.array([metric.values(each) for each in raw]), axis=0).max())


def _difficulty(metric: StagedMetric, documents: pa.Table, ids: Sequence[int]) -> Array:
    raw = metric_values(documents, *metric.address)
    values = metric.values([raw[i] for i in ids])
    return values if values.ndim == 1 else -np.ptp(values, axis=1)

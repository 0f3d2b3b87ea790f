"""Computes scores from responses with lm-eval's own filters, metrics and aggregation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lm_eval.api.metrics import mean

from evaluators.scores import BrokenModel, Row, Values
from evaluators.suite.generations import answer_metrics, fallbacks, take_truncation
from evaluators.suite.gold import METRIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lm_eval.api.instance import Instance
    from lm_eval.api.task import Task

    from evaluators.suite.loader import LoadedTasks
    from evaluators.suite.requests import Document

MetricValues = dict[tuple[str, str], list[Any]]  # (metric, filter) -> one value per document


def document_rows(task: Task, answered: Iterable[tuple[Document, list[Instance]]]) -> list[Row]:
    """Every metric of every document, sorted by filter and document."""
    answered = list(answered)
    truncated = [take_truncation(requests) for _, requests in answered]
    task._instances = [request for _, requests in answered for request in requests]
    task.apply_filters()
    rows: list[Row] = []
    missing = fallbacks(task)
    for name in task.instances[0].filtered_resps:
        for (document, requests), cut in zip(answered, truncated, strict=True):
            responses = [request.filtered_resps[name] for request in requests]
            metrics = task.process_results(document.doc, responses)
            if document.gold:
                metrics.setdefault(METRIC, document.gold.logprob(requests))
            for metric, share in answer_metrics(cut, responses, missing[name]).items():
                metrics.setdefault(metric, share)
            key = (task.task_name, requests[0].doc_id, document.doc_hash, document.prompt_hash)
            rows += [Row(*key, metric, name, value) for metric, value in metrics.items()]
    return rows


def values_by_metric(rows: Iterable[Row]) -> MetricValues:
    """The values of one task's rows, as lm-eval's aggregation expects them."""
    values: MetricValues = {}
    for row in rows:
        values.setdefault((row.metric, row.filter), []).append(row.value)
    return values


def aggregate(loaded: LoadedTasks, values: Mapping[str, MetricValues]) -> Values:
    """The aggregates of tasks, and of groups that aggregate their members.

    Raises:
        BrokenModel: an aggregate is not finite, such as a perplexity that overflows.
    """
    found = {
        name: {
            f"{metric},{filter_}": aggregate_metric(loaded.tasks[name], metric, each)
            for (metric, filter_), each in metrics.items()
        }
        for name, metrics in values.items()
    }
    lengths = {name: max(map(len, metrics.values())) for name, metrics in values.items()}
    for name, group in loaded.groups.items():
        members = {task: {**found[task], "sample_len": lengths[task]} for task in lengths}
        summary = {k: v for k, v in group.aggregate(members).items() if "," in k and v != "N/A"}
        if summary:
            found[name] = summary
    return found


def aggregate_metric(task: Task, metric: str, values: list[Any]) -> float:
    """The aggregate of one metric over documents; the mean if the task declares no aggregation.

    Raises:
        BrokenModel: the aggregate is not finite.
        ValueError: the aggregation does not support these values.
    """
    try:
        number = float(task.aggregation().get(metric, mean)(values))
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError) as error:
        message = f"task {task.task_name}: {metric} cannot be aggregated: {error}"
        raise ValueError(message) from error
    if not math.isfinite(number):
        raise BrokenModel(f"task {task.task_name}: {metric} is {number}")
    return number

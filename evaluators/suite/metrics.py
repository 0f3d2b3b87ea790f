"""Finds the metrics that tasks and groups report, by scoring placeholder responses."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from evaluators.scores import BrokenModel
from evaluators.suite.aggregation import aggregate_metric, document_rows, values_by_metric
from evaluators.suite.generations import TRUNCATED, UNPARSED, GeneratedText
from evaluators.suite.gold import METRIC
from evaluators.suite.requests import build_documents, unanswered

if TYPE_CHECKING:
    from lm_eval.api.group import Group
    from lm_eval.api.task import Task

    from evaluators.suite.aggregation import MetricValues

Directions = dict[str, bool | None]  # "metric,filter" -> is higher better; None: not declared

PLACEHOLDERS = {
    "loglikelihood": (-1.0, False),
    "loglikelihood_rolling": -1.0,
    "generate_until": GeneratedText.of("", truncated=False),
}
DOCUMENTS = 50  # enough to include every label of a classification task


def task_metrics(task: Task) -> Directions:
    """The metrics that a task reports, under every filter.

    They may differ from the metrics that the task file lists.

    Raises:
        ValueError: a metric cannot be computed, such as lm-eval's f1 for more than two classes.
    """
    found = _placeholder_values(task)
    for (metric, _), values in found.items():
        with contextlib.suppress(BrokenModel):  # placeholders may give an infinite aggregate
            if values:
                aggregate_metric(task, metric, values)
    ours = {METRIC: True, TRUNCATED: False, UNPARSED: False}
    higher_is_better = {**ours, **task.higher_is_better()}
    return {f"{metric},{name}": higher_is_better.get(metric) for metric, name in found}


def _placeholder_values(task: Task) -> MetricValues:
    documents = unanswered(build_documents(task, limit=DOCUMENTS))
    for _, requests in documents:
        for request in requests:
            request.resps += [PLACEHOLDERS[request.request_type]] * request.repeats
    try:
        return values_by_metric(document_rows(task, documents))
    except Exception as error:  # a task's own process_results may fail on an empty response
        if not callable(task.config.process_results):
            raise ValueError(f"task {task.task_name}: cannot be scored: {error}") from error
    filters = documents[0][1][0].filtered_resps
    return {(metric, name): [] for metric in task.aggregation() for name in filters}


def group_metrics(group: Group, tasks: dict[str, Directions]) -> Directions:
    """The metrics that a group aggregates over its members; empty if it does not aggregate."""
    found: Directions = {}
    for listed in group.aggregate_metric_list or ():
        for member in group.get_all_tasks():
            for key, direction in tasks[member.task_name].items():
                metric, name = key.split(",", 1)
                if metric == listed.metric and name in (listed.filter_list or [name]):
                    agree = found.setdefault(key, direction) == direction
                    found[key] = direction if agree else None
    return found

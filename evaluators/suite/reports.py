"""What a task reports, found by scoring made-up answers: no model is needed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from evaluators.scores import BrokenModel
from evaluators.suite.answers import fresh, prompted
from evaluators.suite.companion import METRIC
from evaluators.suite.results import aggregated, raw, rows

if TYPE_CHECKING:
    from lm_eval.api.group import Group
    from lm_eval.api.task import Task

    from evaluators.suite.results import Raw

Directions = dict[str, bool | None]  # "metric,filter" -> is higher better; None: nobody said

MADE_UP = {"loglikelihood": (-1.0, False), "loglikelihood_rolling": -1.0, "generate_until": ""}


TRIED = 50  # documents: enough to meet every label of a classification


def reported(task: Task) -> Directions:
    """The metrics that a task's documents get, under every filter, all the way to aggregates.

    A metric may be listed in a task file and never be reported, or the other way round.

    Raises:
        ValueError: a metric that can't be computed, such as lm-eval's f1 of more than two classes.
    """
    values = _tried(task)
    for (metric, _), its in values.items():
        with contextlib.suppress(BrokenModel):  # what is made up need not make sense
            if its:
                aggregated(task, metric, its)
    better = {METRIC: True, **task.higher_is_better()}
    return {f"{metric},{name}": better.get(metric) for metric, name in values}


def _tried(task: Task) -> Raw:
    documents = fresh(prompted(task, limit=TRIED))
    for _, requests in documents:
        for request in requests:
            request.resps += [MADE_UP[request.request_type]] * request.repeats
    try:
        return raw(rows(task, documents))
    except Exception as error:  # whatever a task's own process_results does with an empty answer
        if not callable(task.config.process_results):
            raise ValueError(f"task {task.task_name}: can't be scored: {error}") from error
    filters = documents[0][1][0].filtered_resps
    return {(metric, name): [] for metric in task.aggregation() for name in filters}


def reported_by_group(group: Group, tasks: dict[str, Directions]) -> Directions:
    """The metrics that a group aggregates over its members; none unless it says how."""
    found: Directions = {}
    for listed in group.aggregate_metric_list or ():
        for member in group.get_all_tasks():
            for key, better in tasks[member.task_name].items():
                metric, name = key.split(",", 1)
                if metric == listed.metric and name in (listed.filter_list or [name]):
                    agreed = found.setdefault(key, better) == better
                    found[key] = better if agreed else None
    return found

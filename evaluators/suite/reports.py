"""What a task reports, found by scoring made-up answers: no model is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.suite.answers import fresh, prompted
from evaluators.suite.results import rows

if TYPE_CHECKING:
    from lm_eval.api.group import Group
    from lm_eval.api.task import Task

Directions = dict[str, bool | None]  # "metric,filter" -> is higher better; None: nobody said

MADE_UP = {"loglikelihood": (-1.0, False), "loglikelihood_rolling": -1.0, "generate_until": ""}


def reported(task: Task) -> Directions:
    """The metrics that the first document of a task gets, under every filter.

    A metric may be listed in a task file and never be reported, or the other way round.
    """
    documents = fresh(prompted(task, limit=1))
    for _, requests in documents:
        for request in requests:
            request.resps += [MADE_UP[request.request_type]] * request.repeats
    better = task.higher_is_better()
    return {f"{row.metric},{row.filter}": better.get(row.metric) for row in rows(task, documents)}


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

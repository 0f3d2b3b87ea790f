"""From answers to scores: lm-eval's own filters, metrics and aggregation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lm_eval.api.metrics import mean

from evaluators.scores import BrokenModel, Row, Values
from evaluators.suite.companion import METRIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lm_eval.api.instance import Instance
    from lm_eval.api.task import Task

    from evaluators.suite.answers import Prompted
    from evaluators.suite.loading import Loaded

Raw = dict[tuple[str, str], list[Any]]  # (metric, filter) -> a value per document


def rows(task: Task, answered: Iterable[tuple[Prompted, list[Instance]]]) -> list[Row]:
    """Every metric of every document, by filter and document."""
    answered = list(answered)
    task._instances = [request for _, requests in answered for request in requests]
    task.apply_filters()
    found: list[Row] = []
    for name in task.instances[0].filtered_resps:
        for doc, requests in answered:
            metrics = task.process_results(doc.doc, [r.filtered_resps[name] for r in requests])
            if doc.gold:
                metrics.setdefault(METRIC, doc.gold.logprob(requests))
            where = (task.task_name, requests[0].doc_id, doc.doc_hash, doc.prompt_hash)
            found += [Row(*where, metric, name, value) for metric, value in metrics.items()]
    return found


def raw(found: Iterable[Row]) -> Raw:
    """The values of one task's rows as lm-eval's aggregations take them."""
    values: Raw = {}
    for row in found:
        values.setdefault((row.metric, row.filter), []).append(row.value)
    return values


def aggregate(loaded: Loaded, values: Mapping[str, Raw]) -> Values:
    """The aggregates of tasks, and of the groups that define any.

    Raises:
        BrokenModel: an aggregate that is no number, such as a perplexity that overflows.
    """
    tasks = {name: _aggregate(loaded.tasks[name], its) for name, its in values.items()}
    lengths = {name: max(map(len, its.values())) for name, its in values.items()}
    for name, group in loaded.groups.items():
        members = {task: {**tasks[task], "sample_len": lengths[task]} for task in tasks}
        summary = {k: v for k, v in group.aggregate(members).items() if "," in k and v != "N/A"}
        if summary:
            tasks[name] = summary
    return tasks


def _aggregate(task: Task, values: Raw) -> dict[str, float]:
    return {
        f"{metric},{name}": aggregated(task, metric, its) for (metric, name), its in values.items()
    }


def aggregated(task: Task, metric: str, values: list[Any]) -> float:
    """One metric over documents; the mean where the task names no other aggregation.

    Raises:
        BrokenModel: it is no number.
        ValueError: the aggregation is not made for such values.
    """
    try:
        number = float(task.aggregation().get(metric, mean)(values))
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError) as error:
        raise ValueError(f"task {task.task_name}: {metric} can't be aggregated: {error}") from error
    if not math.isfinite(number):
        raise BrokenModel(f"task {task.task_name}: {metric} is {number}")
    return number

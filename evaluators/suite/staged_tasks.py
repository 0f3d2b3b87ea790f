"""What scoring in stages must know of lm-eval's tasks and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evaluators.stages import StagedTasks
from evaluators.suite.sampling import sampling_cause

if TYPE_CHECKING:
    from lm_eval.api.group import Group

    from evaluators.suite.loader import LoadedTasks
    from evaluators.suite.metrics import Directions


def staged_tasks(
    loaded: LoadedTasks, metrics: Mapping[str, Directions], documents: Mapping[str, int]
) -> StagedTasks:
    """Which tasks generate or draw at random, and what groups are the means of.

    Args:
        loaded: the tasks and groups.
        metrics: task -> its metrics.
        documents: task -> number of its search documents.
    """
    tasks = loaded.tasks
    return StagedTasks(
        documents,
        frozenset(name for name, each in tasks.items() if each.OUTPUT_TYPE == "generate_until"),
        frozenset(name for name, each in tasks.items() if sampling_cause(each)),
        {name: _parts(group, metrics, documents) for name, group in loaded.groups.items()},
    )


def _parts(
    group: Group, metrics: Mapping[str, Directions], documents: Mapping[str, int]
) -> dict[str, dict[str, float]]:
    """Metric -> member -> its weight in the group's mean, as `Group.aggregate` has it."""
    found: dict[str, dict[str, float]] = {}
    for listed in group.aggregate_metric_list or ():
        for name in (task.task_name for task in group.get_all_tasks()):
            for key in metrics[name]:
                metric, _, filter_ = key.partition(",")
                if metric == listed.metric and filter_ in (listed.filter_list or [filter_]):
                    weight = documents[name] if listed.weight_by_size else 1.0
                    found.setdefault(key, {})[name] = weight
    return found

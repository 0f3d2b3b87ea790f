"""Objectives as what candidates are compared in while they are scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evaluators.stages import Criterion, StagedMetric

if TYPE_CHECKING:
    from evaluators.stages import StagedTasks
    from search.objectives import Metric, Objective


def criterion(objective: Objective, tasks: StagedTasks, tolerance: float = 0.0) -> Criterion:
    """The criterion of an objective, in which a group of tasks is the mean of its members."""
    total = sum(metric.weight for metric in objective.metrics)
    parts = {
        address: share
        for metric in objective.metrics
        for address, share in _parts(metric, metric.weight / total, tasks)
    }
    metrics = tuple(StagedMetric(address, share) for address, share in parts.items())
    return Criterion(objective.name, 1 if objective.sign < 0 else -1, metrics, tolerance)


def shares_of_stages(objectives: Sequence[Objective], tasks: StagedTasks) -> dict[str, float]:
    """Task -> its share of a stage, if objectives name it only as one of a group."""
    named = [metric.task for each in objectives for metric in each.metrics]
    return {
        member: tasks.documents[member] / tasks.size(group)
        for group in named
        if group in tasks.groups
        for member in tasks.members(group)
        if member not in named
    }


def _parts(
    metric: Metric, share: float, tasks: StagedTasks
) -> Iterator[tuple[tuple[str, str], float]]:
    weights = tasks.groups.get(metric.task, {}).get(metric.key)
    if weights is None:
        yield (metric.task, metric.key), share
        return
    total = sum(weights.values())
    for member, weight in weights.items():
        yield (member, metric.key), share * weight / total

"""What stages must know of tasks, whoever scores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

Parts = Mapping[str, Mapping[str, float]]
"""Metric of a group -> member -> its weight in the mean that the group's value is."""


@dataclass(frozen=True)
class StagedTasks:
    """The tasks that candidates are scored on, and groups of them."""

    documents: Mapping[str, int]
    """Task -> number of its search documents."""
    generated: frozenset[str] = frozenset()
    """Tasks that generate text: a document of theirs costs many times that of another."""
    sampled: frozenset[str] = frozenset()
    """Tasks that draw tokens at random, so that a score depends on what else is scored at once."""
    groups: Mapping[str, Parts] = field(default_factory=dict)

    @classmethod
    def joined(cls, several: Iterable[Self]) -> Self:
        """Those of several evaluators."""
        known = list(several)
        return cls(
            {task: count for each in known for task, count in each.documents.items()},
            frozenset[str]().union(*(each.generated for each in known)),
            frozenset[str]().union(*(each.sampled for each in known)),
            {name: parts for each in known for name, parts in each.groups.items()},
        )

    def members(self, task: str) -> frozenset[str]:
        """The tasks that a task or group consists of."""
        if task not in self.groups:
            return frozenset([task])
        return frozenset(member for parts in self.groups[task].values() for member in parts)

    def size(self, task: str) -> int:
        """The search documents of a task, or of a group together."""
        return sum(self.documents.get(member, 0) for member in self.members(task))

"""Scores a candidate stage by stage until the front has beaten it, or until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluators.scores import Estimate
    from evaluators.stages.comparison import Aggregate
    from evaluators.stages.criterion import Values
    from evaluators.stages.stages import Stages

Counts = Mapping[str, int]
"""Task -> documents scored so far."""


@dataclass(frozen=True)
class Stop:
    """Why a candidate is not scored any further."""

    stage: int
    """In which it stopped, counted from 1."""
    winner: int
    """The trial that beats it."""
    documents: int
    """Scored until then, of all tasks."""
    total: int
    """Documents of all tasks."""
    estimates: Mapping[str, Estimate]

    def __str__(self) -> str:
        return (
            f"no better than trial {self.winner} on any objective after {self.documents} of "
            f"{self.total} documents (stage {self.stage})"
        )


def race(stages: Stages, score: Callable[[Counts], Values], aggregate: Aggregate) -> Stop | None:
    """Why a candidate stops; None if all documents are scored.

    Tasks that generate text are the most expensive. They lag behind: their documents are scored
    only while some member of the front is ahead in all other criteria, and at the end.

    Args:
        stages: the documents, and the front.
        score: scores the candidate on the beginning of each task's order, as far as it is not yet
            scored, and returns all values so far.
        aggregate: computes metrics that are no ratios.
    """
    early = set(stages.order) - stages.late
    at, late_at = -1, -1  # the stage that the tasks of each kind have completed
    values: Values = {}
    while True:
        is_early_done = _is_done(stages, early, at)
        is_lagging = late_at < at and not _is_done(stages, stages.late, late_at)
        if is_early_done or (is_lagging and stages.winner(values, aggregate, early)):
            late_at += 1
        else:
            at += 1
        counts = {
            task: stages.count(task, late_at if task in stages.late else at)
            for task in stages.order
        }
        values = score(counts)
        documents = sum(counts.values())
        if documents == stages.documents:
            return None
        if winner := stages.winner(values, aggregate):
            estimates = stages.estimates(values, aggregate)
            stage = max(at, late_at) + 1
            return Stop(stage, winner.trial, documents, stages.documents, estimates)


def _is_done(stages: Stages, tasks: set[str] | frozenset[str], stage: int) -> bool:
    return all(stages.count(task, stage) == len(stages.order[task]) for task in tasks)

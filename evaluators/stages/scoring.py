"""Scores the current model of an engine in stages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from evaluators.scores import Row, Scores, joined, metric_values, table
from evaluators.stages.race import Counts, Stop, race

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.evaluator import Evaluator
    from evaluators.scores import Conditions
    from evaluators.stages.criterion import Address, Array, StagedMetric, Values
    from evaluators.stages.stages import Stages

KEPT = 20_000  # aggregates: the members of the front are the same for many candidates


class StagedScoring:
    """Scores candidates in stages.

    Args:
        evaluator: with an engine bound to it.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._aggregates: dict[tuple[Address, bytes], float] = {}  # by digest of the values

    def score(self, stages: Stages) -> tuple[Scores, Stop | None]:
        """The scores on as many documents as it takes, and why these are not all.

        With all documents the values are those of one scoring, up to what batches change in the
        last bits. Values of only some documents are left out, because they compare with no others.
        If the batch size has to change, everything is scored again: a score has one batch size.

        Raises:
            BrokenModel: a value is not finite.
        """
        while True:
            candidate = _Candidate(self._evaluator, stages)
            try:
                stop = race(stages, candidate.score, self._aggregate)
            except _OtherConditionsError:
                continue
            return candidate.scores(stop), stop

    def _aggregate(self, address: Address, values: Array) -> float:
        known = address, blake2b(values.tobytes(), digest_size=16).digest()
        if known not in self._aggregates:
            if len(self._aggregates) >= KEPT:
                self._aggregates.clear()
            self._aggregates[known] = self._aggregated(address, values)
        return self._aggregates[known]

    def _aggregated(self, address: Address, values: Array) -> float:
        task, key = address
        metric, _, name = key.partition(",")
        rows = (Row(task, i, "", "", metric, name, row.tolist()) for i, row in enumerate(values))
        return self._evaluator.aggregate(table(rows))[task][key]


class _OtherConditionsError(Exception):
    """The engine has changed its batch size."""


@dataclass
class _Candidate:
    """One candidate, as far as it is scored."""

    evaluator: Evaluator
    stages: Stages
    _parts: list[Scores] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)
    _values: dict[Address, Array] = field(default_factory=dict)

    def score(self, counts: Counts) -> Values:
        """Scores each task's documents up to these counts; all values so far."""
        new = {
            task: self.stages.order[task][self._counts.get(task, 0) : count]
            for task, count in counts.items()
        }
        if wanted := {task: ids for task, ids in new.items() if ids}:
            found = self.evaluator.score(wanted)
            self._parts.append(found)
            if found.conditions != self._conditions:
                raise _OtherConditionsError
            self._counts |= counts
            for address, metric in self._metrics.items():
                self._add(metric, found.documents, new[address[0]])
        return self._values

    def scores(self, stop: Stop | None) -> Scores:
        """What has been scored; with values if that is everything."""
        tasks = self.stages.order
        documents = joined((each.documents for each in self._parts), tasks)
        responses = [each.responses for each in self._parts if each.responses is not None]
        return Scores(
            {} if stop else self.evaluator.aggregate(documents),
            documents,
            replace(self._conditions, parts=len(self._parts)),
            joined(responses, tasks) if responses else None,
        )

    @property
    def _conditions(self) -> Conditions:
        return self._parts[0].conditions

    @property
    def _metrics(self) -> dict[Address, StagedMetric]:
        criteria = self.stages.criteria
        return {metric.address: metric for each in criteria for metric in each.metrics}

    def _add(self, metric: StagedMetric, documents: pa.Table, ids: tuple[int, ...]) -> None:
        found = metric_values(documents, *metric.address) if ids else {}
        new = metric.values([found[i] for i in ids])
        known = self._values.get(metric.address)
        if known is not None and len(known):
            new = np.concatenate([known, new]) if len(new) else known
        self._values[metric.address] = new

"""An evaluator whose models are a formula of their recipes, so that no worker is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from evaluators.scores import Conditions, Row, Scores, raw_values, table
from evaluators.stages import StagedScoring
from workers.candidate import Candidate, Outcome
from workers.recipe import Recipe

DOCUMENTS = 200  # of each task
METRICS = {"pick": "acc", "text": "bits_per_byte"}


@dataclass
class Formula:
    """The model of a recipe: two tasks that weights of a and b pull apart.

    Args:
        recipe: of the model.
        documents: of each task.
        change: of the values of a task's documents, to make something wrong with them.
    """

    recipe: Recipe
    documents: int = DOCUMENTS
    change: Callable[[str, int, Any], Any] = lambda task, doc, value: value
    scored: list[tuple[str, int]] = field(default_factory=list)

    def everything(self) -> dict[str, list[int]]:
        return {task: list(range(self.documents)) for task in METRICS}

    def score(self, documents: Mapping[str, Sequence[int]]) -> Scores:
        rows = []
        for task, ids in documents.items():
            values = self._values(task)
            for i in sorted(ids):
                self.scored.append((task, i))
                value = self.change(task, i, values[i])
                rows.append(Row(task, i, f"{task}{i}", "p", METRICS[task], "none", value))
        found = table(rows)
        return Scores(self.aggregate(found), found, Conditions(8, 1, "cpu"))

    def aggregate(self, documents: Any) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for task, metrics in raw_values(documents).items():
            for (metric, filter_), values in metrics.items():
                rows = np.array(values, np.float64)
                value = rows.mean() if rows.ndim == 1 else -rows[:, 0].sum() / rows[:, 1].sum()
                scale = 1.0 if rows.ndim == 1 else math.log(2)
                found[task] = {f"{metric},{filter_}": float(value / scale)}
        return found

    def _values(self, task: str) -> list[Any]:
        a, b = self._weights()
        own = np.random.default_rng([crc32(self.recipe.digest.encode()), crc32(task.encode())])
        rng = np.random.default_rng(crc32(task.encode()))
        hard, sizes = rng.standard_normal(self.documents), rng.integers(5, 50, self.documents)
        luck = 0.5 * own.standard_normal(self.documents)
        if task == "pick":
            right = 2.0 - 2.0 * abs(a - 1.0) - hard + luck > 0
            return [float(each) for each in right]
        bits = 1.0 + 0.5 * abs(b - 1.0) + 0.2 * hard + 0.1 * luck
        return [[-float(x) * int(n), int(n)] for x, n in zip(bits, sizes, strict=True)]

    def _weights(self) -> tuple[float, float]:
        if self.recipe.method == "passthrough":
            return tuple(float(name in self.recipe.models) for name in "ab")
        weight = self.recipe.groups[0].parameters["weight"]
        return weight.get("a", 0.0), weight.get("b", 0.0)


def evaluate(candidate: Candidate, **more: Any) -> Outcome:
    """As a worker does it, without a merge."""
    model = Formula(candidate.recipe, **more)
    if candidate.stages is None:
        scores, stop = model.score(model.everything()), None
    else:
        scores, stop = StagedScoring(model).score(candidate.stages)
    return Outcome(
        candidate.trial,
        "stopped" if stop else "scored",
        scores.values,
        scores.documents,
        stop.estimates if stop else {},
        str(stop) if stop else None,
        conditions=scores.conditions,
    )

"""How each document changes the scores of several recipes, all by one method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluators.scores import raw_values
from search.results import DocumentScores, document_scores, jackknife

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.evaluator import Evaluator
    from search.objectives import Objective

Scored = tuple[Mapping[str, float], "pa.Table"]
"""Scores by objective, and those per document."""


def document_effects(
    objectives: Sequence[Objective], scored: Sequence[Scored], evaluator: Callable[[], Evaluator]
) -> list[dict[str, DocumentScores]]:
    """By objective, for each of several scorings of the same documents.

    Args:
        objectives: of the run.
        scored: what is compared.
        evaluator: makes the tasks, which only scores need that are no means of documents.
    """
    raws = [raw_values(table) for _, table in scored]
    rows: list[dict[str, DocumentScores]] = [{} for _ in scored]
    for each in objectives:
        values = [scores[each.name] for scores, _ in scored]
        found = [document_scores(each, *pair) for pair in zip(values, raws, strict=True)]
        if None in found:  # all by one method: a median may be a mean by chance
            tasks = evaluator()
            found = [_by_jackknife(each, scores[each.name], t, tasks) for scores, t in scored]
        for row, one in zip(rows, found, strict=True):
            assert one is not None
            row[each.name] = one
    return rows


def _by_jackknife(
    objective: Objective, score: float, table: pa.Table, evaluator: Evaluator
) -> DocumentScores:
    tasks = np.array(table["task"].to_pylist())
    documents = np.array(table["doc_id"].to_pylist())
    ids = {task: np.unique(documents[tasks == task]) for task in dict.fromkeys(tasks.tolist())}

    def without(task: str, block: Iterable[int]) -> float:
        out = (tasks == task) & np.isin(documents, ids[task][list(block)])
        return objective.value(evaluator.aggregate(table.take(np.flatnonzero(~out))))

    return jackknife(score, {task: len(some) for task, some in ids.items()}, without)

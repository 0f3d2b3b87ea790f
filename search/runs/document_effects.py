"""How each document changes the scores of several recipes, all by one method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluators.evaluator import make_evaluator
from evaluators.scores import raw_values
from search.config import parse_config, suite_settings
from search.ledger import CONFIG
from search.results import DocumentScores, document_scores, jackknife
from search.runs.run import config_of

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.evaluator import Evaluator
    from search.ledger import Ledger
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


def evaluator_of(ledger: Ledger) -> Evaluator:
    """The tasks of a run, as its own config has them."""
    config = parse_config(config_of(ledger), Path(CONFIG))
    return make_evaluator(suite_settings(config))


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

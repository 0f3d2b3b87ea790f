"""The recorded scores of a run's trials, and how each document changes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluators.evaluator import make_evaluator
from evaluators.scores import raw_values
from search.config import parse_config, suite_settings
from search.ledger import CONFIG, Ledger, Trial
from search.results import (
    DocumentScores,
    RunResults,
    TaskAnswers,
    document_scores,
    jackknife,
    task_answers,
)
from search.runs.run import config_of

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.evaluator import Evaluator
    from search.objectives import Objective


@dataclass(frozen=True)
class KnownScores:
    """The scores of trials and how each document changes them, from the files of a run."""

    ledger: Ledger
    results: RunResults

    def on(self, documents: str, trials: Sequence[Trial]) -> list[dict[str, DocumentScores]]:
        """By objective, for each trial.

        Raises:
            ValueError: if a file is damaged.
        """
        read = [self._read(documents, trial) for trial in trials]
        raws = [raw_values(table) for _, table in read]
        rows: list[dict[str, DocumentScores]] = [{} for _ in trials]
        for each in self.results.objectives:
            scores = [trial.scores[each.name] for trial, _ in read]
            found = [document_scores(each, *pair) for pair in zip(scores, raws, strict=True)]
            if None in found:  # all by one method: a median may be a mean by chance
                tables = (table for _, table in read)
                found = [self._jackknife(each, *p) for p in zip(scores, tables, strict=True)]
            for row, one in zip(rows, found, strict=True):
                assert one is not None
                row[each.name] = one
        return rows

    def answers(self, documents: str, trial: Trial) -> list[TaskAnswers]:
        """How a trial's answers ended, for each task that generates."""
        _, table = self._read(documents, trial)
        return task_answers(raw_values(table), self.results.objectives)

    def _read(self, documents: str, trial: Trial) -> tuple[Trial, pa.Table]:
        if documents == "search" and not trial.proposal.is_average:
            return trial, self.ledger.documents(trial.number)
        return self.ledger.scores_on(documents, trial.number)

    @cached_property
    def _suite(self) -> Evaluator:
        """The tasks, which only scores need that are no means or ratios of documents."""
        return make_evaluator(suite_settings(parse_config(config_of(self.ledger), Path(CONFIG))))

    def _jackknife(self, objective: Objective, score: float, table: pa.Table) -> DocumentScores:
        tasks = np.array(table["task"].to_pylist())
        documents = np.array(table["doc_id"].to_pylist())
        ids = {task: np.unique(documents[tasks == task]) for task in dict.fromkeys(tasks.tolist())}

        def without(task: str, block: Iterable[int]) -> float:
            out = (tasks == task) & np.isin(documents, ids[task][list(block)])
            return objective.value(self._suite.aggregate(table.take(np.flatnonzero(~out))))

        return jackknife(score, {task: len(some) for task, some in ids.items()}, without)

"""The recorded scores of a run's trials, and how each document changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evaluators.scores import raw_values
from search.ledger import Ledger, Trial
from search.results import DocumentScores, RunResults, TaskAnswers, task_answers
from search.runs.document_effects import document_effects, evaluator_of

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.evaluator import Evaluator


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
        read = (self._read(documents, trial) for trial in trials)
        scored = [(trial.scores, table) for trial, table in read]
        return document_effects(self.results.objectives, scored, lambda: self._suite)

    def answers(self, documents: str, trial: Trial) -> list[TaskAnswers]:
        """How a trial's answers ended, for each task that generates."""
        _, table = self._read(documents, trial)
        return task_answers(raw_values(table), self.results.objectives)

    def _read(self, documents: str, trial: Trial) -> tuple[Trial, pa.Table]:
        if documents == "search":
            return trial, self.ledger.documents(trial.number)
        return self.ledger.scores_on(documents, trial.number)

    @cached_property
    def _suite(self) -> Evaluator:
        """The tasks, which only scores need that are no means or ratios of documents."""
        return evaluator_of(self.ledger)

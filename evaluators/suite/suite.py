"""Tasks loaded once, that score any set of their documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.documents import split
from evaluators.scores import Scores, raw_values, table
from evaluators.suite.answers import Prompted, answer, doc_hash, fresh, prompted
from evaluators.suite.command import command
from evaluators.suite.loading import load
from evaluators.suite.reports import reported, reported_by_group
from evaluators.suite.results import aggregate, raw, rows
from evaluators.tasks import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.scores import Values
    from evaluators.suite.lm import KeptLM
    from evaluators.suite.reports import Directions
    from evaluators.tasks import SuiteSettings


class Suite:
    """The tasks of a run. Without a model it knows documents and metrics; bound, it scores.

    `documents` is set -> task -> ascending document ids, which are positions in the task's
    evaluation documents, as lm-eval counts them.

    Raises:
        TaskError: every task that can't be found, loaded or split as asked.
    """

    def __init__(self, settings: SuiteSettings) -> None:
        self.settings = settings
        self._loaded = load(settings)
        hashes = {
            name: [doc_hash(doc) for doc in task.task_docs]
            for name, task in self._loaded.tasks.items()
        }
        self.documents: Mapping[str, Mapping[str, tuple[int, ...]]]
        try:
            self.documents = split(hashes, settings.documents)
        except ValueError as error:
            raise TaskError(str(error).splitlines()) from None
        self._metrics = {name: reported(task) for name, task in self._loaded.tasks.items()}
        self._prompted: dict[str, list[Prompted]] = {}
        self._lm: KeptLM | None = None

    def metrics(self) -> dict[str, Directions]:
        """Task or group -> "metric,filter" as lm-eval names it -> is higher better.

        None where the task does not say.
        """
        groups = {
            name: found
            for name, group in self._loaded.groups.items()
            if (found := reported_by_group(group, self._metrics))
        }
        return {**self._metrics, **groups}

    def bind(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Score this model from now on, with whatever weights it has at the time.

        Builds every request of every task. A tokenizer without a padding token is given one.
        """
        from evaluators.suite.lm import KeptLM  # noqa: PLC0415 - 4 s that a driver need not wait

        self._lm = KeptLM(model, tokenizer, self.settings.batch_size)
        template = self._lm.apply_chat_template if self.settings.apply_chat_template else None
        self._prompted = {
            name: prompted(task, template) for name, task in self._loaded.tasks.items()
        }

    def score(self, documents: Mapping[str, Sequence[int]]) -> Scores:
        """The bound model, as it is now, on these documents of each task.

        Equal to what lm-eval gives for the same weights, batch size and documents. Tasks without
        documents are left out.

        Raises:
            ValueError: no documents at all, an unknown task, or a document it doesn't have.
            BrokenModel: the model's answers are no numbers.
        """
        if self._lm is None:
            raise ValueError("bind a model before scoring")
        chosen = {
            name: fresh([self._prompted[name][i] for i in ids])
            for name, ids in self._ordered(documents).items()
        }
        answer(
            self._lm,
            (request for docs in chosen.values() for _, requests in docs for request in requests),
        )
        found = {name: rows(self._loaded.tasks[name], docs) for name, docs in chosen.items()}
        values = aggregate(self._loaded, {name: raw(its) for name, its in found.items()})
        return Scores(values, table(row for its in found.values() for row in its))

    def aggregate(self, documents: pa.Table) -> Values:
        """The aggregates of a table of values per document, for example a part of one."""
        return aggregate(self._loaded, raw_values(documents))

    def command(
        self, documents: Mapping[str, Sequence[int]], path: Path, device: str | None = None
    ) -> list[str]:
        """The lm-eval command that scores a model directory on the same documents alike."""
        return command(self.settings, self._ordered(documents), path, device)

    def _ordered(self, documents: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Tasks in lm-eval's order with ascending documents: both decide what shares a batch."""
        unknown = [name for name in documents if name not in self._loaded.tasks]
        if unknown or not any(documents.values()):
            known = ", ".join(self._loaded.tasks)
            raise ValueError(f"no documents to score in {unknown or 'any task'}; tasks: {known}")
        return {
            name: sorted(set(documents[name])) for name in self._loaded.tasks if documents.get(name)
        }

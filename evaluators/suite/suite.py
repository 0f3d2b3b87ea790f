"""Tasks loaded once, that score any set of their documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.documents import split
from evaluators.scores import Scores, raw_values, response_table, table
from evaluators.suite.answers import Prompted, answer, doc_hash, fresh, prompted
from evaluators.suite.command import command
from evaluators.suite.fewshot import is_redrawn, separate
from evaluators.suite.fingerprints import of_documents, of_task
from evaluators.suite.loading import load
from evaluators.suite.probes import probes
from evaluators.suite.reports import reported, reported_by_group
from evaluators.suite.results import aggregate, raw, rows
from evaluators.tasks import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from lm_eval.api.instance import Instance
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.scores import Conditions, Values
    from evaluators.suite.lm import KeptLM
    from evaluators.suite.reports import Directions
    from evaluators.tasks import SuiteSettings
    from evaluators.vitals import Probes


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
        self._metrics: dict[str, Directions] = {}
        problems: list[str] = []
        for name, task in self._loaded.tasks.items():
            try:
                separate(task, frozenset(hashes[name]))
                self._metrics[name] = reported(task)
            except ValueError as error:
                problems.append(str(error))
        try:
            self.documents: Mapping[str, Mapping[str, tuple[int, ...]]] = split(
                hashes, settings.documents
            )
        except ValueError as error:
            problems += str(error).splitlines()
        if problems:
            raise TaskError(problems)
        self.fingerprints: Mapping[str, tuple[str, str]] = {
            name: (of_task(task), of_documents(hashes[name]))
            for name, task in self._loaded.tasks.items()
        }
        """Task -> digests of how it asks and measures, and of its documents."""
        self._prompted: dict[str, list[Prompted]] = {}
        self._lm: KeptLM | None = None

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The public test sets among the tasks; models tuned on them can't be compared by them."""
        return self._loaded.benchmarks

    def probes(self, texts: int, prompts: int) -> Probes:
        """What to show a model to see whether it is broken: from all tasks, searched on only."""
        found = {name: self._prompted[name] for name in self.documents["search"]}
        return probes(self._loaded.tasks, found, self.documents["search"], texts, prompts)

    @property
    def redrawn(self) -> tuple[str, ...]:
        """Tasks whose few-shot examples lm-eval draws anew for every choice of documents.

        Here a document keeps the prompt it has when all are asked, so the command repeats the
        scores of these tasks only for all their documents.
        """
        return tuple(name for name, task in self._loaded.tasks.items() if is_redrawn(task))

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

        Raises:
            TaskError: documents that don't fit into the model.
        """
        from evaluators.suite.lm import KeptLM  # noqa: PLC0415 - 4 s that a driver need not wait

        how = self.settings
        lm = KeptLM(model, tokenizer, how.batch_size, how.max_length)
        template = lm.apply_chat_template if how.apply_chat_template else None
        kept = {name: prompted(task, template) for name, task in self._loaded.tasks.items()}
        if problems := [problem for name in kept if (problem := _too_long(name, kept[name], lm))]:
            raise TaskError(problems)
        every = [request for docs in kept.values() for doc in docs for request in doc.requests]
        lm.fit_batch(every, how.batch_tokens)
        self._lm, self._prompted = lm, kept

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
        responses = _responses(chosen) if self.settings.keep_responses else None
        documents_table = table(row for its in found.values() for row in its)
        return Scores(values, documents_table, self._lm.conditions, responses)

    def aggregate(self, documents: pa.Table) -> Values:
        """The aggregates of a table of values per document, for example a part of one."""
        return aggregate(self._loaded, raw_values(documents))

    def command(
        self,
        documents: Mapping[str, Sequence[int]],
        path: Path,
        conditions: Conditions | None = None,
    ) -> list[str]:
        """The lm-eval command that scores a model directory on the same documents.

        With the conditions of a scoring its values equal that scoring's to the last bit.
        """
        folder = self._loaded.data_folder
        return command(self.settings, self._ordered(documents), path, conditions, folder)

    def _ordered(self, documents: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Tasks in lm-eval's order with ascending documents: both decide what shares a batch."""
        unknown = [name for name in documents if name not in self._loaded.tasks]
        if unknown or not any(documents.values()):
            known = ", ".join(self._loaded.tasks)
            raise ValueError(f"no documents to score in {unknown or 'any task'}; tasks: {known}")
        return {
            name: sorted(set(documents[name])) for name in self._loaded.tasks if documents.get(name)
        }


def _too_long(name: str, documents: Sequence[Prompted], lm: KeptLM) -> str | None:
    """What lm-eval would cut to fit the model, and only log; None if nothing."""
    lengths = {
        request.doc_id: lm.length(request)
        for document in documents
        for request in document.requests
        if lm.too_long(request)
    }
    if not lengths:
        return None
    longest = max(lengths, key=lambda doc_id: lengths[doc_id])
    return (
        f"task {name}: {len(lengths)} of {len(documents)} documents are longer than "
        f"{lm.max_length} tokens with their prompt and answer; the longest, document {longest}, "
        f"has {lengths[longest]}"
    )


def _responses(chosen: Mapping[str, Sequence[tuple[Prompted, Sequence[Instance]]]]) -> pa.Table:
    return response_table(
        (name, request.doc_id, request.idx, request.resps)
        for name, documents in chosen.items()
        for _, requests in documents
        for request in requests
    )

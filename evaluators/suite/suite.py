"""The suite: tasks that are loaded once and score any subset of their documents."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from evaluators.documents import split
from evaluators.scores import Scores, raw_values, response_table, table
from evaluators.suite.aggregation import aggregate, document_rows, values_by_metric
from evaluators.suite.command import command
from evaluators.suite.engines import make_hf_engine
from evaluators.suite.fewshot import documents_to_hold_out, draws_examples, remove_scored_examples
from evaluators.suite.fingerprints import documents_fingerprint, task_fingerprint
from evaluators.suite.gold import gold_error
from evaluators.suite.loader import load
from evaluators.suite.metrics import group_metrics, task_metrics
from evaluators.suite.probes import probes
from evaluators.suite.requests import Document, answer, build_documents, doc_hash, unanswered
from evaluators.suite.sampling import sampling_error, sampling_warning
from evaluators.suite.staged_tasks import staged_tasks
from evaluators.tasks import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from lm_eval.api.instance import Instance
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.engine import ScoringEngine
    from evaluators.gate_limits import Probes
    from evaluators.scores import Conditions, Values
    from evaluators.stages import StagedTasks
    from evaluators.suite.metrics import Directions
    from evaluators.tasks import SuiteSettings


class Suite:
    """The tasks of a run. It knows documents and metrics without a model, and scores a bound model.

    `documents` is set -> task -> ascending document ids, which are lm-eval's: positions in the
    task's evaluation documents. `fingerprints` is task -> digest of its prompts and metrics, and
    digest of its documents.

    Raises:
        TaskError: every task that cannot be found, loaded or split as requested.
    """

    def __init__(self, settings: SuiteSettings) -> None:
        self.settings = settings
        self._loaded = load(settings)
        tasks = self._loaded.tasks
        hashes = {name: [doc_hash(doc) for doc in task.task_docs] for name, task in tasks.items()}
        self._held_out = held_out = dict.fromkeys(tasks, frozenset[str]())
        self._metrics: dict[str, Directions] = {}
        errors: list[str] = []
        for name, task in tasks.items():
            if invalid := sampling_error(task, settings.engine) or gold_error(task):
                errors.append(invalid)
                continue
            try:
                if settings.hold_out_examples:
                    held_out[name] = documents_to_hold_out(task, hashes[name])
                remove_scored_examples(task, frozenset(hashes[name]) - held_out[name])
                self._metrics[name] = task_metrics(task)
            except ValueError as error:
                errors.append(str(error))
        self.documents: Mapping[str, Mapping[str, tuple[int, ...]]] = {}
        try:
            self.documents = split(hashes, settings.documents, held_out)
        except ValueError as error:
            errors += str(error).splitlines()
        if errors:
            raise TaskError(errors)
        self.fingerprints: Mapping[str, tuple[str, str]] = {
            name: (task_fingerprint(task), documents_fingerprint(hashes[name]))
            for name, task in tasks.items()
        }
        self._task_documents: dict[str, list[Document]] = {}
        self._engine: ScoringEngine | None = None

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The public test sets that the tasks use; models tuned on them cannot be compared."""
        return self._loaded.benchmarks

    @property
    def random_fewshot(self) -> tuple[str, ...]:
        """Tasks whose few-shot examples are drawn at random, or from documents held out for them.

        lm-eval draws other examples for other sets of documents; here a document always has the
        same prompt. The lm-eval command therefore reproduces the scores of these tasks only if it
        scores all their documents.
        """
        tasks, held_out = self._loaded.tasks, self._held_out
        return tuple(name for name in tasks if draws_examples(tasks[name]) or held_out[name])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of the tasks before a search."""
        return tuple(filter(None, map(sampling_warning, self._loaded.tasks.values())))

    @property
    def staged_tasks(self) -> StagedTasks:
        """What stages must know of the tasks."""
        documents = {task: len(ids) for task, ids in self.documents["search"].items()}
        return staged_tasks(self._loaded, self._metrics, documents)

    def probes(self, texts: int, prompts: int) -> Probes:
        """Inputs for the gate, from the search documents of all tasks."""
        documents = {
            name: [self._task_documents[name][i] for i in ids]
            for name, ids in self.documents["search"].items()
        }
        return probes(self._loaded.tasks, documents, texts, prompts)

    def metrics(self) -> dict[str, Directions]:
        """Task or group -> "metric,filter" (lm-eval's key) -> is higher better.

        None if the task does not declare it.
        """
        groups = {
            name: found
            for name, group in self._loaded.groups.items()
            if (found := group_metrics(group, self._metrics))
        }
        return {**self._metrics, **groups}

    def bind(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Builds all requests for a live model; as `bind_engine` with the engine `hf`."""
        self.bind_engine(make_hf_engine(model, tokenizer, self.settings))

    def bind_engine(self, engine: ScoringEngine) -> None:
        """Builds all requests for an engine; every later scoring uses its current weights.

        Raises:
            TaskError: documents that are longer than the model's context.
        """
        settings = self.settings
        template = engine.apply_chat_template if settings.apply_chat_template else None
        built = {name: build_documents(task, template) for name, task in self._loaded.tasks.items()}
        requests = {
            name: [each for document in documents for each in document.requests]
            for name, documents in built.items()
        }
        found = [engine.length_error(name, each) for name, each in requests.items()]
        if errors := [error for error in found if error]:
            raise TaskError(errors)
        engine.limit_batch([*chain.from_iterable(requests.values())], settings.batch_tokens)
        self._engine, self._task_documents = engine, built

    def score(self, documents: Mapping[str, Sequence[int]]) -> Scores:
        """The scores of the bound model, with its current weights, on these documents of each task.

        Equal to lm-eval's for the same weights, batch size and documents. Tasks without documents
        are omitted.

        Raises:
            ValueError: no model is bound, there are no documents, or a task is unknown.
            BrokenModel: a log-likelihood, a logit or an aggregate is not finite.
        """
        if self._engine is None:
            raise ValueError("bind a model before scoring")
        chosen = {
            name: unanswered([self._task_documents[name][i] for i in ids])
            for name, ids in self._ordered(documents).items()
        }
        answer(
            self._engine, (each for docs in chosen.values() for _, some in docs for each in some)
        )
        rows = {
            name: document_rows(self._loaded.tasks[name], docs) for name, docs in chosen.items()
        }
        values = aggregate(
            self._loaded, {name: values_by_metric(each) for name, each in rows.items()}
        )
        responses = _responses(chosen) if self.settings.keep_responses else None
        documents_table = table(row for each in rows.values() for row in each)
        return Scores(values, documents_table, self._engine.conditions, responses)

    def aggregate(self, documents: pa.Table) -> Values:
        """The aggregates of a table of values per document, which may be part of a larger one."""
        return aggregate(self._loaded, raw_values(documents))

    def command(
        self,
        documents: Mapping[str, Sequence[int]],
        path: Path,
        conditions: Conditions | None = None,
    ) -> list[str]:
        """The lm-eval command that scores a model directory on the same documents.

        With the conditions of earlier scores, it reproduces these scores exactly.
        """
        folder = self._loaded.data_folder
        return command(self.settings, self._ordered(documents), path, conditions, folder)

    def _ordered(self, documents: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Tasks in lm-eval's order, document ids ascending: the order determines the batches."""
        unknown = [name for name in documents if name not in self._loaded.tasks]
        if unknown or not any(documents.values()):
            known = ", ".join(self._loaded.tasks)
            raise ValueError(f"no documents to score in {unknown or 'any task'}; tasks: {known}")
        return {
            name: sorted(set(documents[name])) for name in self._loaded.tasks if documents.get(name)
        }


def _responses(chosen: Mapping[str, Sequence[tuple[Document, Sequence[Instance]]]]) -> pa.Table:
    return response_table(
        (name, request.doc_id, request.idx, request.resps)
        for name, documents in chosen.items()
        for _, requests in documents
        for request in requests
    )

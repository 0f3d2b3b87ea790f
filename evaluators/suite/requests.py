"""Builds the requests of documents, and lets a model answer them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lm_eval.utils import handle_non_serializable, hash_string

from evaluators.scores import BrokenModel
from evaluators.suite.gold import gold
from evaluators.suite.loader import quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lm_eval.api.instance import Instance
    from lm_eval.api.task import Task

    from evaluators.engine import ScoringEngine
    from evaluators.suite.gold import Gold

FEWSHOT_SEED = 1234  # the default of lm-eval's command line and simple_evaluate


@dataclass(frozen=True)
class Document:
    """A document of a task, with the requests that ask a model about it."""

    doc: dict[str, Any]
    doc_hash: str
    prompt_hash: str
    requests: tuple[Instance, ...]
    gold: Gold | None  # only for multiple choice


def doc_hash(doc: Any) -> str:
    """The hash that lm-eval logs for a document."""
    text = json.dumps(doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
    return str(hash_string(text))


def build_documents(
    task: Task, chat_template: Callable[..., str] | None = None, limit: int | None = None
) -> list[Document]:
    """All documents of a task with their requests, or the first `limit` documents.

    They are built in one call: lm-eval draws few-shot examples document by document, so a subset
    that is built separately would have different prompts.
    """
    task.set_fewshot_seed(FEWSHOT_SEED)
    with quiet():
        task.build_all_requests(
            limit=limit,
            apply_chat_template=chat_template is not None,
            fewshot_as_multiturn=True,
            chat_template=chat_template,
        )
    by_doc: dict[int, list[Instance]] = defaultdict(list)
    for request in task.instances:
        by_doc[request.doc_id].append(request)
    return [_document(task, requests) for _, requests in sorted(by_doc.items())]


def answer(engine: ScoringEngine, requests: Iterable[Instance]) -> None:
    """Store the model's responses in the requests; one call per request type, as in lm-eval.

    Raises:
        BrokenModel: a log-likelihood is not finite.
    """
    by_type: dict[str, list[Instance]] = defaultdict(list)
    for request in requests:
        by_type[request.request_type] += [request] * request.repeats
    responses: dict[str, list[Any]] = {}
    while True:
        before = engine.conditions
        responses = {kind: engine.respond(kind, some) for kind, some in by_type.items()}
        if engine.conditions == before:
            break  # otherwise start again: all request types must have the same batch size
    for kind, some in by_type.items():
        for request, response in zip(some, responses[kind], strict=True):
            _check_finite(request, response)
            request.resps.append(response)


def unanswered(documents: Sequence[Document]) -> list[tuple[Document, list[Instance]]]:
    """Copies of the requests without responses: lm-eval scores a request's first response."""
    return [
        (document, [replace(each, resps=[], filtered_resps={}) for each in document.requests])
        for document in documents
    ]


def _document(task: Task, requests: list[Instance]) -> Document:
    first, *_ = requests = sorted(requests, key=lambda request: request.idx)
    prompt_hash = hash_string(first.arguments[0])
    correct = gold(task, first.doc)
    return Document(first.doc, doc_hash(first.doc), prompt_hash, tuple(requests), correct)


def _check_finite(request: Instance, response: Any) -> None:
    number = response[0] if isinstance(response, tuple) else response
    if isinstance(number, float) and not math.isfinite(number):
        raise BrokenModel(
            f"task {request.task_name}, document {request.doc_id}: log-likelihood {number}"
        )

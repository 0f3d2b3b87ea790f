"""From requests to answers: lm-eval's own methods, on fresh copies of requests kept for good."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lm_eval.utils import handle_non_serializable, hash_string

from evaluators.scores import BrokenModel
from evaluators.suite.companion import gold
from evaluators.suite.loading import FEWSHOT_SEED, quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lm_eval.api.instance import Instance
    from lm_eval.api.task import Task

    from evaluators.suite.companion import Gold
    from evaluators.suite.lm import KeptLM


@dataclass(frozen=True)
class Prompted:
    """A document and what a model is asked about it."""

    doc: dict[str, Any]
    doc_hash: str
    prompt_hash: str
    requests: tuple[Instance, ...]
    gold: Gold | None  # of a multiple choice


def doc_hash(doc: Any) -> str:
    """A document's hash as lm-eval logs it."""
    text = json.dumps(doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
    return str(hash_string(text))


def prompted(
    task: Task, chat_template: Callable[..., str] | None = None, limit: int | None = None
) -> list[Prompted]:
    """Every document of a task with its requests, the same whichever of them are asked later.

    All are built in one go: lm-eval draws few-shot examples document by document, so the prompts
    of a subset built on its own would differ.
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
    return [_prompted(task, requests) for _, requests in sorted(by_doc.items())]


def answer(lm: KeptLM, requests: Iterable[Instance]) -> None:
    """Put the model's answers into requests, all of one type in one call, as `evaluate` does.

    Raises:
        BrokenModel: a log-likelihood that is not finite.
    """
    by_type: dict[str, list[Instance]] = defaultdict(list)
    for request in requests:
        by_type[request.request_type] += [request] * request.repeats
    responses: dict[str, list[Any]] = {}
    while True:
        before = lm.batch_size
        responses = {kind: lm.ask(kind, asked) for kind, asked in by_type.items()}
        if lm.batch_size == before:
            break  # otherwise the first types were asked in larger batches than the last
    for kind, asked in by_type.items():
        for request, response in zip(asked, responses[kind], strict=True):
            _refuse_nonfinite(request, response)
            request.resps.append(response)


def fresh(documents: Sequence[Prompted]) -> list[tuple[Prompted, list[Instance]]]:
    """Unanswered copies of kept requests: lm-eval scores the first answer that it finds."""
    return [
        (doc, [replace(request, resps=[], filtered_resps={}) for request in doc.requests])
        for doc in documents
    ]


def _prompted(task: Task, requests: list[Instance]) -> Prompted:
    first, *_ = requests = sorted(requests, key=lambda request: request.idx)
    prompt = hash_string(first.arguments[0])
    right = gold(task, first.doc)
    return Prompted(first.doc, doc_hash(first.doc), prompt, tuple(requests), right)


def _refuse_nonfinite(request: Instance, response: Any) -> None:
    number = response[0] if isinstance(response, tuple) else response
    if isinstance(number, float) and not math.isfinite(number):
        raise BrokenModel(
            f"task {request.task_name}, document {request.doc_id}: log-likelihood {number}"
        )

"""Builds the gate's probes from the tasks that a model will be scored on."""

from __future__ import annotations

from functools import partial
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING

from evaluators.gate_limits import Probes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lm_eval.api.task import Task

    from evaluators.suite.requests import Document


def probes(
    tasks: Mapping[str, Task], documents: Mapping[str, Sequence[Document]], texts: int, prompts: int
) -> Probes:
    """Correct texts from all tasks in turn, and prompts from the tasks that generate."""
    correct = [map(partial(correct_text, tasks[name]), docs) for name, docs in documents.items()]
    generating = [
        (str(doc.requests[0].args[0]) for doc in docs)
        for name, docs in documents.items()
        if tasks[name].OUTPUT_TYPE == "generate_until"
    ]
    return Probes(
        tuple(islice(_interleave(correct), texts)), tuple(islice(_interleave(generating), prompts))
    )


def correct_text(task: Task, document: Document) -> str:
    """A document's prompt with the correct answer."""
    request = document.requests[document.gold.indices[0] if document.gold else 0]
    if request.request_type == "generate_until":
        target = task.doc_to_target(document.doc)
        first = target[0] if isinstance(target, list) else target
        return f"{request.args[0]}{task.config.target_delimiter}{first}"
    return "".join(request.args)


def _interleave(sources: Iterable[Iterator[str]]) -> Iterator[str]:
    return filter(None, chain.from_iterable(zip_longest(*sources)))

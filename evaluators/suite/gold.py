"""The metric gold_logprob: a continuous alternative to multiple-choice accuracy, at no cost."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, log
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lm_eval.api.instance import Instance
    from lm_eval.api.task import ConfigurableTask

METRIC = "gold_logprob"


@dataclass(frozen=True)
class Gold:
    """The correct choices of a document."""

    indices: tuple[int, ...]
    choices: int

    def logprob(self, requests: Sequence[Instance]) -> float:
        """Log of the correct choices' share of the probability that the model gives all choices.

        Accuracy changes in steps, this with every change of the model, so it distinguishes
        candidates with far fewer documents.
        """
        logprobs = [request.resps[0][0] for request in requests[: self.choices]]
        return _logsumexp([logprobs[i] for i in self.indices]) - _logsumexp(logprobs)


def gold(task: ConfigurableTask, doc: dict[str, Any]) -> Gold | None:
    """The correct choices of a document, found as lm-eval finds them; None if there are none."""
    if task.OUTPUT_TYPE != "multiple_choice":
        return None
    choices = task.doc_to_choice(doc)
    given = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    labels = given if isinstance(given, list) else [given]
    found = [choices.index(x) if isinstance(x, str) and x in choices else x for x in labels]
    indices = tuple(i for i in found if isinstance(i, int) and 0 <= i < len(choices))
    return Gold(indices, len(choices)) if indices else None


def gold_error(task: ConfigurableTask) -> str | None:
    """Why every answer would count as wrong; None if some document has a correct choice."""
    documents = task.task_docs
    if task.OUTPUT_TYPE != "multiple_choice" or not len(documents):
        return None
    if any(gold(task, each) for each in documents):
        return None
    first = documents[0]
    return (
        f"task {task.task_name}: no document has a correct choice: `doc_to_target: "
        f"{task.config.doc_to_target}` of document 0 is {task.doc_to_target(first)!r}, which is "
        f"none of {task.doc_to_choice(first)!r}, nor a number of one; its columns are "
        f"{', '.join(first)}"
    )


def _logsumexp(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + log(fsum(exp(value - highest) for value in values))

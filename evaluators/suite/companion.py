"""A continuous companion to multiple-choice accuracy, from answers that are there anyway."""

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
    """Which of a document's choices are right."""

    right: tuple[int, ...]
    choices: int

    def logprob(self, requests: Sequence[Instance]) -> float:
        """Log of the right choices' share of the probability that the model gives to all choices.

        It moves with every change of the model where accuracy only jumps, so it tells candidates
        apart with far fewer documents.
        """
        every = [request.resps[0][0] for request in requests[: self.choices]]
        return _logsumexp([every[i] for i in self.right]) - _logsumexp(every)


def gold(task: ConfigurableTask, doc: dict[str, Any]) -> Gold | None:
    """The right choices of a document; None where there are none, as lm-eval counts them."""
    if task.OUTPUT_TYPE != "multiple_choice":
        return None
    choices = task.doc_to_choice(doc)
    given = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    labels = given if isinstance(given, list) else [given]
    found = [choices.index(x) if isinstance(x, str) and x in choices else x for x in labels]
    right = tuple(i for i in found if isinstance(i, int) and 0 <= i < len(choices))
    return Gold(right, len(choices)) if right else None


def _logsumexp(values: Sequence[float]) -> float:
    most = max(values)
    return most + log(fsum(exp(value - most) for value in values))

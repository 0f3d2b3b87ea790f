"""How generated answers ended, and whether a filter found an answer in them."""

from __future__ import annotations

from collections import defaultdict, deque
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lm_eval.api.instance import Instance
    from lm_eval.api.task import Task

TRUNCATED, UNPARSED = "truncated", "unparsed"
"""Metrics of every task that generates; the second of filters that extract an answer."""


class GeneratedText(str):
    """A response, and whether it ended at its limit of tokens: by no stop text and no end token."""

    __slots__ = ("truncated",)
    truncated: bool

    @classmethod
    def of(cls, text: str, truncated: bool) -> GeneratedText:
        """A text that knows how it ended."""
        found = cls(text)
        found.truncated = truncated
        return found


class Generations:
    """Remembers which texts were truncated, while lm-eval generates them batch by batch.

    It is set as lm-eval's cache hook, which is told of each text in the order of the batches. It
    knows a request by its prompt, the same object from beginning to end.
    """

    def __init__(self) -> None:
        self._batch: deque[bool] = deque()
        self._found: defaultdict[int, deque[bool]] = defaultdict(deque)

    def add_batch(self, truncated: Iterable[bool]) -> None:
        """Takes how the texts of a batch ended, before lm-eval tells of them."""
        self._batch.extend(truncated)

    def add_partial(self, kind: str, arguments: tuple[Any, ...], response: Any) -> None:
        """Lm-eval's call for each response."""
        del response
        if kind == "generate_until":
            self._found[id(arguments[0])].append(self._batch.popleft())

    def texts(self, requests: Sequence[Instance], responses: Sequence[str]) -> list[GeneratedText]:
        """The responses, in the order of the requests, with how they ended."""
        return [
            GeneratedText.of(text, self._found[id(request.args[0])].popleft())
            for request, text in zip(requests, responses, strict=True)
        ]


def take_truncation(requests: Iterable[Instance]) -> float | None:
    """The share of truncated responses, which become plain texts: a metric may be picky.

    None if no response knows how it ended.
    """
    known: list[bool] = []
    for request in requests:
        known += [each.truncated for each in request.resps if isinstance(each, GeneratedText)]
        request.resps = [
            str(each) if isinstance(each, GeneratedText) else each for each in request.resps
        ]
    return fmean(known) if known else None


def fallbacks(task: Task) -> dict[str, list[Any]]:
    """Filter -> what it gives where it finds no answer; nothing if it gives the whole text."""
    generates = task.OUTPUT_TYPE == "generate_until"
    return {
        each.name: [
            found.fallback
            for make in (each.filters if generates else ())
            if hasattr(found := make(), "fallback")
        ]
        for each in task._filters
    }


def answer_metrics(
    truncated: float | None, answers: Sequence[Any], missing: Sequence[Any]
) -> dict[str, float]:
    """How the answers to one document ended, and whether they were found; by metric.

    Args:
        truncated: the share of them, if it is known.
        answers: what a filter has made of the responses.
        missing: what the filter gives where it finds no answer.
    """
    found = {} if truncated is None else {TRUNCATED: truncated}
    single = [one for each in answers for one in (each if isinstance(each, list) else [each])]
    if missing and single:
        found[UNPARSED] = fmean(one in missing or [one] in missing for one in single)
    return found

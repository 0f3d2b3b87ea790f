"""How the generated answers of a candidate ended, and whether they could be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.objectives import Objective
    from search.results.document_scores import Raw

SUSPICIOUS = 0.05  # share of answers above which a score says little of what was answered


@dataclass(frozen=True)
class TaskAnswers:
    """The answers to the documents of one task."""

    task: str
    documents: int
    truncated: float | None
    """The share that ended at the limit of tokens; None if it is not known."""
    unparsed: float | None
    """The share in which the filter of the objectives found no answer; None if it seeks none."""

    @property
    def sentence(self) -> str:
        """The shares in words."""
        shares = [
            f"{_percent(share)} {what}"
            for share, what in ((self.truncated, "truncated"), (self.unparsed, "unparsable"))
            if share is not None
        ]
        return f"answers to {self.task}: {', '.join(shares)}"

    @property
    def warnings(self) -> Iterator[str]:
        """What is suspicious about them."""
        if (self.truncated or 0) > SUSPICIOUS:
            yield (
                f"{_percent(self.truncated)} of the answers to {self.task} ended at their limit of "
                "tokens, so its score is partly of their length; `scoring: {max_gen_toks: N}` of "
                "another run allows longer ones"
            )
        if (self.unparsed or 0) > SUSPICIOUS:
            yield (
                f"in {_percent(self.unparsed)} of the answers to {self.task} its filter found no "
                "answer, so its score is partly of their form; examples (`scoring: {num_fewshot: "
                "N}`) or the model's chat template may help, in another run"
            )

    def to_json(self) -> dict[str, Any]:
        """What `mergefront verdict --json` prints of a task."""
        return {
            "documents": self.documents,
            "truncated": self.truncated,
            "unparsed": self.unparsed,
        }


def task_answers(raw: Raw, objectives: Sequence[Objective]) -> list[TaskAnswers]:
    """The answers to each task that generates.

    Args:
        raw: the values of a candidate's documents.
        objectives: of the run, by whose filters the answers are read.
    """
    used = {metric.key.partition(",")[2] for each in objectives for metric in each.metrics}
    found = []
    for task, values in raw.items():
        truncated = {name: v for (metric, name), v in values.items() if metric == "truncated"}
        unparsed = {name: v for (metric, name), v in values.items() if metric == "unparsed"}
        if truncated or unparsed:
            some = next(iter((truncated or unparsed).values()))
            read = [fmean(each) for name, each in unparsed.items() if name in used]
            cut = fmean(some) if truncated else None
            found.append(TaskAnswers(task, len(some), cut, max(read, default=None)))
    return found


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0):.1f} %"

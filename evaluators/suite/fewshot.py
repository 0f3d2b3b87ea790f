"""Keeps scored documents out of few-shot examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lm_eval.api.samplers import FirstNSampler

from evaluators.suite.requests import doc_hash
from evaluators.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from lm_eval.api.task import Task


def draws_examples(task: Task) -> bool:
    """Whether lm-eval draws the examples of a document at random."""
    return bool(task.get_config("num_fewshot")) and not isinstance(task.sampler, FirstNSampler)


def documents_to_hold_out(task: Task, hashes: Iterable[str]) -> frozenset[str]:
    """The documents of a task, by hash, to leave unscored so that it has enough examples.

    They are the fewest that are enough, and those whose hashes are the smallest: which ones depends
    on their content alone. None if the examples come from documents that are not scored.

    Args:
        task: the task.
        hashes: of the documents that would be scored.
    """
    pool, scored = [doc_hash(doc) for doc in _pool(task)], frozenset(hashes)
    missing = _required(task) - sum(each not in scored for each in pool)
    if missing <= 0 or _required(task) > len(pool):  # no documents would be enough
        return frozenset()
    return frozenset(sorted(scored.intersection(pool))[:missing])


def remove_scored_examples(task: Task, scored: AbstractSet[str]) -> None:
    """Remove scored documents, given by hash, from the documents that examples are drawn from.

    If there are none to remove, prompts are the same as lm-eval's.

    Raises:
        ValueError: too few documents are left.
    """
    pool = _pool(task)
    left = [doc for doc in pool if doc_hash(doc) not in scored]
    if len(left) < len(pool):
        task.sampler.replace_df(left)
    required = _required(task)
    needs = (
        f"task {task.task_name}: needs {counted(required, 'document')} for few-shot examples, but"
    )
    if required > len(pool):
        raise ValueError(f"{needs} has {len(pool)} to draw from; set a smaller `num_fewshot`")
    if required > len(left):
        raise ValueError(
            f"{needs} {len(pool) - len(left)} of the {len(pool)} to draw from are scored; set "
            f"`scoring: {{hold_out_examples: true}}` to score {required - len(left)} fewer, give "
            "the task a fewshot_split, or set `num_fewshot: 0`"
        )


def _pool(task: Task) -> list[Any]:
    """The documents that lm-eval draws a task's examples from; empty if it shows none."""
    return list(task.sampler.fewshot_docs()) if task.get_config("num_fewshot") else []


def _required(task: Task) -> int:
    """How many documents lm-eval needs to take the examples of every prompt from.

    From the split that is scored it takes one more, as it leaves out the prompt's own document.
    """
    shots = int(task.get_config("num_fewshot") or 0)
    own = task.fewshot_cfg.split == task.config.test_split
    return shots + 1 if shots and own else shots

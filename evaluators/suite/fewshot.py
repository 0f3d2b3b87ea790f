"""Keeps scored documents out of few-shot examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_eval.api.samplers import FirstNSampler

from evaluators.suite.requests import doc_hash

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from lm_eval.api.task import Task


def draws_examples(task: Task) -> bool:
    """Whether lm-eval draws the examples of a document at random."""
    return bool(task.get_config("num_fewshot")) and not isinstance(task.sampler, FirstNSampler)


def remove_scored_examples(task: Task, scored: AbstractSet[str]) -> None:
    """Remove scored documents, given by hash, from the documents that examples are drawn from.

    If there are none to remove, prompts are the same as lm-eval's.

    Raises:
        ValueError: too few documents are left.
    """
    shots = task.get_config("num_fewshot")
    if not shots:
        return
    pool = task.sampler.fewshot_docs()
    left = [doc for doc in pool if doc_hash(doc) not in scored]
    if len(left) < len(pool):
        task.sampler.replace_df(left)
    if len(left) < shots:
        raise ValueError(
            f"task {task.task_name}: needs {shots} few-shot examples, but {len(pool) - len(left)} "
            f"of the {len(pool)} documents to draw from are scored; give the task a fewshot_split, "
            "or set `num_fewshot: 0`"
        )

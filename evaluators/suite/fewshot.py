"""Few-shot examples come from documents that are never scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_eval.api.samplers import FirstNSampler

from evaluators.suite.answers import doc_hash

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from lm_eval.api.task import Task


def is_redrawn(task: Task) -> bool:
    """Whether a document's examples depend on the documents asked before it."""
    return bool(task.get_config("num_fewshot")) and not isinstance(task.sampler, FirstNSampler)


def separate(task: Task, scored: AbstractSet[str]) -> None:
    """Take scored documents, given by hash, out of a task's examples.

    Where there are none to take out, prompts are those of lm-eval.

    Raises:
        ValueError: too few are left.
    """
    shots = task.get_config("num_fewshot")
    if not shots:
        return
    pool = task.sampler.fewshot_docs()
    left = [doc for doc in pool if doc_hash(doc) not in scored]
    if len(left) < len(pool):
        task.sampler.replace_df(left)
    if len(left) >= shots:
        return
    raise ValueError(
        f"task {task.task_name}: {shots} examples wanted, but of {len(pool)} documents to take "
        f"them from {len(pool) - len(left)} are scored; name a fewshot_split of its own, or "
        "say `num_fewshot: 0`"
    )

"""Generation that draws its tokens at random, as a task file may ask for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lm_eval.api.task import Task

SEED = 1234
"""The default of lm-eval's command line, which seeds torch once, before it scores."""


def sampling_error(task: Task, engine: str) -> str | None:
    """Why a task's generation would fail for every model, not repeat, or its requests be none."""
    given = task.config.generation_kwargs or {}
    where, temperature = f"task {task.task_name}", float(given.get("temperature", 0.0))
    if task.config.repeats < 1:
        return f"{where}: repeats is {task.config.repeats}; the minimum is 1"
    if not math.isfinite(temperature) or temperature < 0:
        return f"{where}: temperature is {temperature:g}; give a finite number, 0 or above"
    if given.get("do_sample") and temperature == 0:
        return (
            f"{where}: do_sample: true needs a temperature above 0 in generation_kwargs; "
            "give one, or remove do_sample to generate the likeliest tokens"
        )
    if engine == "vllm" and samples(task):
        return (
            f"{where}: draws its tokens at random (do_sample: true), and the engine vllm draws "
            "others each time; generate the likeliest tokens, or set `scoring: {engine: hf}`"
        )
    return None


def sampling_warning(task: Task) -> str | None:
    """What it costs that a task draws its tokens at random; None if it does not."""
    if not samples(task):
        return None
    return (
        f"task {task.task_name}: draws its tokens at random (do_sample: true): a recipe has the "
        "same score again only with the same batch size and documents, and part of a difference "
        "between two recipes is chance; generate the likeliest tokens, or set `repeats` with a "
        "filter that uses all of them"
    )


def samples(task: Task) -> bool:
    """Whether a task draws its tokens at random."""
    given = task.config.generation_kwargs or {}
    return task.OUTPUT_TYPE == "generate_until" and bool(given.get("do_sample"))

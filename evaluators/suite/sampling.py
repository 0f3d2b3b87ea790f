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
    where = f"task {task.task_name}"
    do_sample, temperature = given.get("do_sample"), float(given.get("temperature", 0.0))
    if task.config.repeats < 1:
        return f"{where}: repeats is {task.config.repeats}; the minimum is 1"
    if not math.isfinite(temperature) or temperature < 0:
        return f"{where}: temperature is {temperature:g}; give a finite number, 0 or above"
    if not isinstance(do_sample, bool | None):
        return f"{where}: do_sample is {do_sample!r}; give true or false"
    if do_sample and temperature == 0:
        return (
            f"{where}: do_sample: true needs a temperature above 0 in generation_kwargs; "
            "give one, or remove do_sample to generate the likeliest tokens"
        )
    if engine == "vllm" and (cause := sampling_cause(task)):
        return (
            f"{where}: draws its tokens at random ({cause}), and the engine vllm draws "
            "others each time; generate the likeliest tokens, or set `scoring: {engine: hf}`"
        )
    return None


def sampling_warning(task: Task) -> str | None:
    """What it costs that a task draws its tokens at random; None if it does not."""
    if not (cause := sampling_cause(task)):
        return None
    return (
        f"task {task.task_name}: draws its tokens at random ({cause}): part of a difference "
        "between two recipes is chance, and scores of other documents or with another batch size "
        "are of other draws, so that they cannot be compared; generate the likeliest tokens "
        "(do_sample: false), or set `repeats` with a filter that uses all of them"
    )


def sampling_cause(task: Task) -> str | None:
    """The setting that makes a task sample; None if none does.

    lm-eval takes a temperature for one too.
    """
    given = task.config.generation_kwargs or {}
    if task.OUTPUT_TYPE != "generate_until" or given.get("do_sample") is False:
        return None
    if given.get("do_sample"):
        return "do_sample: true"
    return f"temperature: {heat:g}" if (heat := given.get("temperature", 0.0)) else None

"""The tasks of a config of mergekit-evolve, as objectives of ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.draft_names import short_names
from search.config.draft_objectives import choice_of, task_metrics

if TYPE_CHECKING:
    from evaluators.evaluator import Directions
    from search.config.evolve import EvolveTask
    from search.config.evolve_notes import EvolveNotes


def evolve_objectives(
    given: Sequence[EvolveTask], folder: Path | None, notes: EvolveNotes
) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """The objectives by name, and the weight of each."""
    tasks = [task for task in given if task.weight]
    for task in given:
        if not task.weight:
            notes.lacks(f"tasks {task.name}", "has the weight 0, so it is left out")
    if not tasks:
        raise ValueError("tasks: all have the weight 0; give one another weight")
    names = short_names([_label(task, tasks) for task in tasks], "task")
    pairs = list(zip(names, tasks, strict=True))
    objectives = {name: _objective(notes, task, folder) for name, task in pairs}
    return objectives, {name: abs(task.weight) for name, task in pairs}


def _label(task: EvolveTask, tasks: Sequence[EvolveTask]) -> str:
    """The task's name, with the metric if another entry has the same task."""
    several = sum(each.name == task.name for each in tasks) > 1
    return f"{task.name}-{task.metric.partition(',')[0]}" if several else task.name


def _objective(notes: EvolveNotes, task: EvolveTask, folder: Path | None) -> dict[str, Any]:
    name, _, filter_ = task.metric.partition(",")
    plain = {"task": task.name, "metric": name}
    try:
        metrics = task_metrics([task.name], folder)[task.name]
    except (ValueError, KeyError) as error:
        reason = error if isinstance(error, ValueError) else f"{task.name} reports no score"
        notes.warnings.append(f"tasks: {reason}")
        return {**plain, **({"filter": filter_} if filter_ not in ("", "none") else {})}
    key = next((each for each in metrics if each == task.metric), None)
    if key is None:
        reported = ", ".join(metrics)
        notes.warnings.append(
            f"tasks {task.name}: reports no {task.metric}; set `metric` to one of {reported}"
        )
        return plain
    _note_sign(notes, task, metrics, key)
    return choice_of(task.name, key, metrics) | _direction(task, metrics[key])


def _direction(task: EvolveTask, higher: bool | None) -> dict[str, str]:
    """The direction that the sign of a weight means, where the task says none."""
    return (
        {} if higher is not None else {"direction": "maximize" if task.weight > 0 else "minimize"}
    )


def _note_sign(notes: EvolveNotes, task: EvolveTask, metrics: Directions, key: str) -> None:
    higher = metrics[key]
    if higher is not None and higher != (task.weight > 0):
        better = "more" if higher else "less"
        notes.lacks(
            f"tasks {task.name}: weight {task.weight:g}",
            f"the task says that {better} of {key} is better, and that is what is searched",
        )

"""The objectives of a first config: what each task reports, and which metric is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.draft_names import short_names

if TYPE_CHECKING:
    from evaluators.evaluator import Directions

PREFERRED = ("acc_norm", "exact_match", "acc", "f1", "bits_per_byte", "word_perplexity", "chrf")
"""The metric that an objective gets if its task reports several."""

MetricChoice = dict[str, Any]
"""The `task`, `metric`, `filter` and `direction` of an objective."""


def draft_objectives(tasks: Sequence[str], folder: Path | None) -> dict[str, MetricChoice]:
    """One objective for each task; of a group or tag without a score, the mean of its tasks.

    Raises:
        ValueError: if there is no task, or one cannot be used.
    """
    if not tasks:
        raise ValueError(
            "name the tasks to score on: --task-folder FOLDER for task files of your own, or "
            "--tasks TASK,TASK"
        )
    wanted = list(dict.fromkeys(tasks))
    known = task_metrics(wanted, folder)
    chosen = [
        metric_choice(task, known[task]) if task in known else _mean_of_members(task, folder)
        for task in wanted
    ]
    return dict(zip(short_names(wanted, "task"), chosen, strict=True))


def task_metrics(tasks: Sequence[str], folder: Path | None) -> Mapping[str, Directions]:
    """What tasks report, also those of a group or tag.

    Raises:
        TaskError: if one cannot be used.
    """
    from evaluators.evaluator import make_evaluator  # imports lm_eval
    from evaluators.tasks import SuiteSettings

    return make_evaluator(SuiteSettings(tasks=tuple(tasks), folder=folder)).metrics()


def metric_choice(task: str, metrics: Directions) -> MetricChoice:
    """The metric of a task that an objective optimises.

    Raises:
        ValueError: if the task reports none.
    """
    keys = sorted(metrics, key=lambda key: _rank(key.partition(",")[0]))
    if not keys:
        raise ValueError(f"task {task} reports no metric, so it cannot be an objective")
    return choice_of(task, keys[0], metrics)


def choice_of(task: str, key: str, metrics: Directions) -> MetricChoice:
    """The settings of one metric; a filter is named only if the metric has several."""
    name, _, filter_ = key.partition(",")
    several = sum(other.partition(",")[0] == name for other in metrics) > 1
    return {
        "task": task,
        "metric": name,
        **({"filter": filter_} if several else {}),
        **({"direction": "maximize"} if metrics[key] is None else {}),
    }


def _mean_of_members(name: str, folder: Path | None) -> MetricChoice:
    """The mean over the tasks of a group or tag that reports no score of its own."""
    members = task_metrics([name], folder)
    chosen = [metric_choice(task, metrics) for task, metrics in members.items()]
    kinds = {(each["metric"], each.get("direction"), _higher(each, members)) for each in chosen}
    if len(kinds) != 1:
        found = ", ".join(members) or "none"
        raise ValueError(
            f"{name} names several tasks, which report no common metric; name those to score on: "
            f"--tasks {found.replace(' ', '')}"
        )
    if len(chosen) == 1:
        return chosen[0]
    direction = {key: value for key, value in chosen[0].items() if key == "direction"}
    mean = [{key: each[key] for key in each if key != "direction"} for each in chosen]
    return {"mean": mean, **direction}


def _higher(choice: MetricChoice, members: Mapping[str, Directions]) -> bool | None:
    """Whether more of the chosen metric is better, if its task says so."""
    metrics = members[choice["task"]]
    keys = [key for key in metrics if key.partition(",")[0] == choice["metric"]]
    return metrics[keys[0]]


def _rank(metric: str) -> int:
    return PREFERRED.index(metric) if metric in PREFERRED else len(PREFERRED)

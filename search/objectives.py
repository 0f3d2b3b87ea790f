"""What a run optimises: metrics of tasks, with a direction."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.settings import Settings

Direction = Literal["maximize", "minimize"]
TaskMetrics = Mapping[str, Mapping[str, bool | None]]
"""Task -> "metric,filter" as lm-eval names it -> whether higher is better, if the task says."""


class ObjectiveSettings(Settings):
    """One metric of one lm-eval task."""

    task: str
    metric: str
    filter: str | None = None
    direction: Direction | None = None


@dataclass(frozen=True)
class Objective:
    """An objective that is known to exist: its name, where its value stands, its direction."""

    name: str
    task: str
    key: str
    direction: Direction

    @property
    def sign(self) -> int:
        """Multiplies a value into a loss: lower is better."""
        return 1 if self.direction == "minimize" else -1

    def value(self, values: Mapping[str, Mapping[str, float]]) -> float:
        """Its value among the aggregates of a scored candidate.

        Raises:
            ValueError: if the value is not a finite number, which must never reach a sampler.
        """
        value = float(values[self.task][self.key])
        if not math.isfinite(value):
            raise ValueError(f"objective {self.name}: {self.task} {self.key} is {value}")
        return value


def resolve(
    objectives: Mapping[str, ObjectiveSettings], metrics: TaskMetrics
) -> tuple[list[Objective], list[str]]:
    """Finds each objective's metric in the tasks; returns them and every fault found.

    Args:
        objectives: of tasks that are known.
        metrics: of those tasks.
    """
    found: list[Objective] = []
    faults: list[str] = []
    for name, settings in objectives.items():
        outcome = _resolve(name, settings, metrics)
        if isinstance(outcome, str):
            faults.append(f"objectives.{name}.{outcome}")
        else:
            found.append(outcome)
    return found, faults


def losses(objectives: list[Objective], scores: Mapping[str, float]) -> NDArray[np.float64]:
    """The scores as a row of losses, in the order of the objectives."""
    return np.array([o.sign * scores[o.name] for o in objectives], dtype=np.float64)


def nearest(given: str, known: Iterable[str]) -> str:
    """What to say after an unknown name: the likeliest meant, or all there are.

    >>> nearest("tie", ["ties", "linear"])
    "did you mean 'ties'?"
    """
    names = sorted(known)
    if close := difflib.get_close_matches(given, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(names)}" if names else "there are none"


def _resolve(name: str, settings: ObjectiveSettings, metrics: TaskMetrics) -> Objective | str:
    keys = metrics[settings.task]
    matching = [key for key in keys if key.partition(",")[0] == settings.metric]
    if not matching:
        known = {key.partition(",")[0] for key in keys}
        return f"metric: task {settings.task!r} does not report {settings.metric!r}; " + nearest(
            settings.metric, known
        )
    filters = [key.partition(",")[2] for key in matching]
    if settings.filter is None and len(filters) > 1:
        return f"filter: {settings.metric!r} comes by {', '.join(filters)}; name one of them"
    chosen = settings.filter or filters[0]
    if chosen not in filters:
        return f"filter: unknown filter {chosen!r}; {nearest(chosen, filters)}"
    key = f"{settings.metric},{chosen}"
    direction = settings.direction
    if (higher := keys[key]) is not None:
        direction = "maximize" if higher else "minimize"
    if direction is None:
        return f"direction: the task does not say for {settings.metric}; give one"
    if settings.direction not in (None, direction):
        return (
            f"direction: {settings.direction!r} contradicts the task, which says {direction!r} "
            f"for {settings.metric}; leave it out"
        )
    return Objective(name, settings.task, key, direction)

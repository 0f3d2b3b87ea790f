"""What a run optimises: metrics of tasks or weighted means of them, with a direction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from evaluators.settings import Count, Settings, suggestion

Direction = Literal["maximize", "minimize"]
Weight = Annotated[float, Field(gt=0, le=1e9)]
TaskMetrics = Mapping[str, Mapping[str, bool | None]]
"""Task -> "metric,filter" as lm-eval names it -> whether higher is better, if the task says."""


class MetricSettings(Settings):
    """One metric of one lm-eval task, and what it counts in a mean."""

    task: str
    metric: str
    filter: str | None = None
    weight: Weight = 1.0


class ObjectiveSettings(Settings):
    """One metric of one lm-eval task, the weighted mean of several, or a Python function."""

    task: str | None = None
    metric: str | None = None
    filter: str | None = None
    mean: Annotated[list[MetricSettings], Field(min_length=2)] | None = None
    direction: Direction | None = None
    python: str | None = None
    """A function of the live model, as `package.module:function`, instead of a task."""
    documents: Count | None = None
    """How many the function has."""

    @model_validator(mode="after")
    def _one_way(self) -> ObjectiveSettings:
        own = ("task", "metric", "filter")
        given = [name for name in own if getattr(self, name) is not None]
        if self.python is not None:
            return self._checked_function([*given, *(["mean"] if self.mean else [])])
        if self.documents is not None:
            raise ValueError("documents is of a Python function; a task has its own")
        if self.mean is not None and given:
            raise ValueError(f"mean and {' and '.join(given)} contradict each other; give one")
        if self.mean is None and not {"task", "metric"} <= set(given):
            raise ValueError("needs a task and a metric, or the mean of several")
        return self

    def _checked_function(self, others: list[str]) -> ObjectiveSettings:
        if others:
            raise ValueError(f"python and {' and '.join(others)} contradict each other; give one")
        if self.documents is None or self.direction is None:
            raise ValueError(
                "a Python function needs `documents: N`, how many it has, and `direction: "
                "maximize` or `minimize`"
            )
        return self

    @property
    def metrics(self) -> dict[str, MetricSettings]:
        """The metrics that it is the weighted mean of, by their path in a config."""
        if self.python is not None:
            return {"": MetricSettings(task=self.python, metric="value")}
        if self.mean is not None:
            return {f"mean.{i}.": each for i, each in enumerate(self.mean)}
        return {
            "": MetricSettings(task=self.task or "", metric=self.metric or "", filter=self.filter)
        }


@dataclass(frozen=True)
class Metric:
    """The address of a value: a task, and "metric,filter" as lm-eval names it."""

    task: str
    key: str
    weight: float = 1.0


@dataclass(frozen=True)
class Objective:
    """An objective that is known to exist: its name, its direction, what it is the mean of."""

    name: str
    direction: Direction
    metrics: tuple[Metric, ...]
    weight: float = 1.0
    """In the mean over the objectives."""

    @classmethod
    def of(cls, name: str, task: str, key: str, direction: Direction) -> Objective:
        """The objective of one metric."""
        return cls(name, direction, (Metric(task, key),))

    @classmethod
    def from_dict(cls, name: str, content: Mapping[str, Any]) -> Objective:
        """Reads what `to_dict` wrote."""
        metrics = content.get("mean") or [{each: content[each] for each in ("task", "key")}]
        found = tuple(Metric(**each) for each in metrics)
        return cls(name, content["direction"], found, content.get("weight", 1.0))

    def to_dict(self) -> dict[str, Any]:
        """All but the name, as a run keeps it."""
        weight = {} if self.weight == 1.0 else {"weight": self.weight}
        if len(self.metrics) == 1:
            (one,) = self.metrics
            return {"task": one.task, "key": one.key, "direction": self.direction, **weight}
        metrics = [asdict(each) for each in self.metrics]
        return {"mean": metrics, "direction": self.direction, **weight}

    @property
    def sign(self) -> int:
        """Multiplies a value into a loss: lower is better."""
        return 1 if self.direction == "minimize" else -1

    def value(self, values: Mapping[str, Mapping[str, float]]) -> float:
        """Its value among the aggregates of a scored candidate.

        Raises:
            ValueError: if a value is not a finite number, which must never reach a sampler.
        """
        found = []
        for each in self.metrics:
            value = float(values[each.task][each.key])
            if not math.isfinite(value):
                raise ValueError(f"objective {self.name}: {each.task} {each.key} is {value}")
            found.append(value)
        if len(found) == 1:
            return found[0]  # to the last bit as lm-eval has it
        weights = [each.weight for each in self.metrics]
        weighted = [weight * value for weight, value in zip(weights, found, strict=True)]
        return math.fsum(weighted) / math.fsum(weights)


def resolve(
    objectives: Mapping[str, ObjectiveSettings], metrics: TaskMetrics
) -> tuple[list[Objective], list[str]]:
    """Finds each objective's metric in the tasks; returns them and every error found.

    Args:
        objectives: of tasks that are known.
        metrics: of those tasks.
    """
    found: list[Objective] = []
    errors: list[str] = []
    for name, settings in objectives.items():
        try:
            found.append(_resolve(name, settings, metrics))
        except ValueError as error:
            errors.append(f"objectives.{name}.{error}")
    return found, errors


def losses(objectives: list[Objective], scores: Mapping[str, float]) -> NDArray[np.float64]:
    """The scores as a row of losses, in the order of the objectives."""
    return np.array([o.sign * scores[o.name] for o in objectives], dtype=np.float64)


def _resolve(name: str, settings: ObjectiveSettings, metrics: TaskMetrics) -> Objective:
    found: list[Metric] = []
    better: dict[str, bool | None] = {}  # metric -> whether higher is, if its task says
    for path, each in settings.metrics.items():
        keys = metrics[each.task]
        try:
            key = _key(each, keys)
        except ValueError as error:
            raise ValueError(f"{path}{error}") from None
        found.append(Metric(each.task, key, each.weight))
        better[each.metric] = keys[key]
    return Objective(name, _direction(settings.direction, better), tuple(found))


def _key(settings: MetricSettings, keys: Iterable[str]) -> str:
    """The key of the metric among those that its task reports."""
    matching = [key for key in keys if key.partition(",")[0] == settings.metric]
    if not matching:
        known = {key.partition(",")[0] for key in keys}
        raise ValueError(
            f"metric: task {settings.task!r} does not report {settings.metric!r}; "
            + suggestion(settings.metric, known)
        )
    filters = [key.partition(",")[2] for key in matching]
    if settings.filter is None and len(filters) > 1:
        raise ValueError(
            f"filter: the task reports {settings.metric!r} with the filters "
            f"{', '.join(filters)}; name one of them"
        )
    chosen = settings.filter or filters[0]
    if chosen not in filters:
        raise ValueError(f"filter: unknown filter {chosen!r}; {suggestion(chosen, filters)}")
    return f"{settings.metric},{chosen}"


def _direction(given: Direction | None, better: Mapping[str, bool | None]) -> Direction:
    """What the tasks say, or else the config."""
    names = ", ".join(better)
    directions = {higher for higher in better.values() if higher is not None}
    if len(directions) > 1:
        raise ValueError(f"mean: {names} have different directions")
    if not directions:
        if given is None:
            raise ValueError(
                f"direction: the task declares none for {names}; set maximize or minimize"
            )
        return given
    direction: Direction = "maximize" if directions.pop() else "minimize"
    if given not in (None, direction):
        raise ValueError(
            f"direction: {given!r} contradicts the task, which says {direction!r} "
            f"for {names}; leave it out"
        )
    return direction

"""What a live family is: the models, how they are trained, and the search over their merges."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from scripts.live import skills
from search.objectives import Direction, Metric, Objective

Kind = Literal["generate", "choice", "rolling"]
Architecture = Literal["llama", "qwen2", "gpt2"]

VERSION = 1  # raise it when models, tasks or scores would come out differently than before

METRICS: Mapping[Kind, tuple[str, Direction]] = {
    "generate": ("exact_match,none", "maximize"),
    "choice": ("acc,none", "maximize"),
    "rolling": ("bits_per_byte,none", "minimize"),
}


@dataclass(frozen=True)
class Training:
    """What a model learns, from the base or, for the base, from nothing.

    Args:
        shares: skill -> share of the training texts.
        seed: of the training texts.
    """

    shares: Mapping[str, float]
    steps: int
    rate: float
    seed: int = 0


@dataclass(frozen=True)
class Task:
    """A skill as an lm-eval task; an objective is the weighted mean of those that share a name.

    Args:
        documents: how many; few of them make a score noisy.
    """

    skill: str
    kind: Kind
    documents: int
    objective: str | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Family:
    """Real small models with a search over their merges.

    Args:
        tests: what this family is there to test.
        space: as a config gives it.
        workers: that evaluate at the same time, simulated.
        row_tokens: of a row of a training batch; a word and its answer fill 13 at most, and learned
            positions need rows in which each text is at the start, as in the tasks.
        is_judge: only for the report: never looked at while a sampler is tuned.
    """

    name: str
    tests: str
    architecture: Architecture
    base: Training
    models: Mapping[str, Training]
    tasks: tuple[Task, ...]
    methods: tuple[str, ...]
    space: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 4
    width: int = 48
    layers: int = 4
    row_tokens: int = 32
    is_judge: bool = False

    @cached_property
    def digest(self) -> str:
        """Eight hex digits that are equal when the models and the tasks are."""
        names = ("architecture", "base", "models", "tasks", "width", "layers", "row_tokens")
        content = {name: value for name, value in asdict(self).items() if name in names}
        text = json.dumps([VERSION, content], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    @cached_property
    def objectives(self) -> list[Objective]:
        """In the order in which the tasks name them."""
        found: dict[str, list[Metric]] = {}
        directions: dict[str, Direction] = {}
        for task in self.tasks:
            name = task.objective or task.skill
            key, directions[name] = METRICS[task.kind]
            found.setdefault(name, []).append(Metric(task.skill, key, task.weight))
        return [Objective(name, directions[name], tuple(its)) for name, its in found.items()]

    @cached_property
    def documents(self) -> dict[str, list[skills.Row]]:
        """The rows of every task."""
        return {each.skill: skills.documents(each.skill, each.documents) for each in self.tasks}

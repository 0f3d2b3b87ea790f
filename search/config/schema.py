"""What a config may say: the settings that the components own, put together."""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from evaluators.documents import DocumentSettings
from evaluators.gate_limits import GateSettings
from evaluators.settings import Settings, suggestion
from evaluators.tasks import ScoringSettings
from search.driver import Budget
from search.objectives import ObjectiveSettings
from search.samplers import Auto, SamplerSettings
from search.space import SpaceSettings
from workers.methods import METHODS
from workers.pool import PoolSettings
from workers.recipe import Source
from workers.settings import MergeSettings

Named = TypeVar("Named")

RESERVED = ("base", "uniform")
"""What results and `--where` call the base and the uniform soup."""

DEFAULT = ("linear", "task_arithmetic", "ties", "dare_ties")


class ConfigError(ValueError):
    """The config cannot be used; the message names the file and every fault in it."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        super().__init__("\n".join([f"{path}: {count}", *(f"  {fault}" for fault in faults)]))
        self.faults = faults


def _known_method(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"unknown merge method {name!r}; {suggestion(name, METHODS)}")
    return name


def _unreserved(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name!r} cannot be a name; results use it for their own")
    if keyword.iskeyword(name):
        raise ValueError(f"{name!r} cannot be a name; `--where` has it as a word of its own")
    if not name or not (name[0].isalpha() or name[0] == "_"):
        raise ValueError(f"{name!r} cannot be a name; it must begin with a letter")
    if not name.replace("-", "_").isidentifier():
        raise ValueError(f"{name!r} cannot be a name; use letters, digits, - and _")
    return name


def _told_apart(named: dict[str, Named]) -> dict[str, Named]:
    """Names that stay different where - is written _, as in `--where`."""
    seen: dict[str, str] = {}
    for name in named:
        if (other := seen.setdefault(name.replace("-", "_"), name)) != name:
            raise ValueError(f"{other!r} and {name!r} differ only in - and _; rename one")
    return named


def _model(given: Any) -> Source:
    return given if isinstance(given, Source) else Source.parse(given)


MethodName = Annotated[str, AfterValidator(_known_method)]
Name = Annotated[str, AfterValidator(_unreserved)]
Model = Annotated[Source, BeforeValidator(_model)]


def _place(given: Any) -> str | Path:
    if not isinstance(given, str | Path):
        raise ValueError(f"a run is a folder or the URI of one, not {given!r}")
    return given if "://" in str(given) else Path(given)


Place = Annotated[Path | str, BeforeValidator(_place)]
"""A folder, or the URI of one: `s3://bucket/run`."""


class Config(Settings):
    """One search."""

    name: str = "run"
    base: Model
    models: Annotated[dict[Name, Model], Field(min_length=2), AfterValidator(_told_apart)]
    methods: Annotated[list[MethodName], Field(min_length=1, default_factory=lambda: [*DEFAULT])]
    space: SpaceSettings = SpaceSettings()
    recipes: list[Path] = Field(default_factory=list)
    tasks: Path | None = None
    objectives: Annotated[
        dict[Name, ObjectiveSettings], Field(min_length=1), AfterValidator(_told_apart)
    ]
    documents: DocumentSettings = DocumentSettings()
    scoring: ScoringSettings = ScoringSettings()
    gate: GateSettings = GateSettings()
    merging: MergeSettings = MergeSettings()
    sampler: SamplerSettings = Auto()
    budget: Budget = Budget()
    workers: PoolSettings = PoolSettings()
    run: Place = Path("runs/run")
    seed: int = 0

    def to_yaml(self) -> str:
        """The config with every default written out."""
        content = self.model_dump(mode="json", by_alias=True)
        return yaml.safe_dump(content, sort_keys=False)

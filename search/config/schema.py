"""The keys of a config; each component defines the settings of its own section."""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
)

from evaluators.documents import DocumentSettings
from evaluators.gate_limits import GateSettings
from evaluators.settings import Settings, suggestion
from evaluators.stages import StageSettings
from evaluators.tasks import ScoringSettings
from evaluators.wording import counted
from search.driver import Budget
from search.objectives import ObjectiveSettings, Weight
from search.samplers import Auto, SamplerSettings
from search.space import SpaceSettings
from search.trackers import TrackerSettings
from workers.methods import METHODS
from workers.pool import PoolSettings
from workers.recipe import Source, TokenizerChoice
from workers.settings import MergeSettings

Value = TypeVar("Value")

RESERVED = ("base", "uniform")
"""The names of the base and the uniform soup in results and in `--where`."""

DEFAULT_METHODS = ("linear", "task_arithmetic", "ties", "dare_ties")


class ConfigError(ValueError):
    """An invalid config; the message names the file and every error in it."""

    def __init__(self, path: Path, errors: list[str]) -> None:
        count = counted(len(errors), "error")
        super().__init__("\n".join([f"{path}: {count}", *(f"  {error}" for error in errors)]))
        self.errors = errors


def _known_method(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"unknown merge method {name!r}; {suggestion(name, METHODS)}")
    return name


def _valid_name(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name!r} cannot be a name; it is reserved for results")
    if keyword.iskeyword(name):
        raise ValueError(f"{name!r} cannot be a name; it is a keyword in `--where`")
    if not name or not (name[0].isalpha() or name[0] == "_"):
        raise ValueError(f"{name!r} cannot be a name; it must begin with a letter")
    if not name.replace("-", "_").isidentifier():
        raise ValueError(f"{name!r} cannot be a name; use letters, digits, - and _")
    return name


def _distinct_names(given: dict[str, Value]) -> dict[str, Value]:
    """Names that are still distinct when - is written as _, as in `--where`."""
    seen: dict[str, str] = {}
    for name in given:
        if (other := seen.setdefault(name.replace("-", "_"), name)) != name:
            raise ValueError(f"{other!r} and {name!r} differ only in - and _; rename one")
    return given


def _model(given: Any) -> Source:
    return given if isinstance(given, Source) else Source.parse(given)


METHOD_NAMES = {
    "oneOf": [
        {"const": method.name, "description": method.summary}
        for method in METHODS.values()
        if method.models[1] != 1
    ]
}
"""The methods to choose from, for forms and editors: those that merge."""

MethodName = Annotated[str, AfterValidator(_known_method), WithJsonSchema(METHOD_NAMES)]
Name = Annotated[str, AfterValidator(_valid_name)]
Model = Annotated[Source, BeforeValidator(_model)]


Tokenizer = Annotated[
    TokenizerChoice,
    BeforeValidator(TokenizerChoice.parse),
    PlainSerializer(TokenizerChoice.to_dict),
]


def _run_path(given: Any) -> str | Path:
    if not isinstance(given, str | Path):
        raise ValueError(f"a run is a folder or a URI, not {given!r}")
    return given if "://" in str(given) else Path(given)


RunPath = Annotated[Path | str, BeforeValidator(_run_path)]
"""A folder, or its URI: `s3://bucket/run`."""


def _valid_preference(given: Any) -> Any:
    if isinstance(given, str) and given not in ("front", "mean"):
        raise ValueError(f"{given!r} is neither `front`, `mean` nor weights by objective")
    if isinstance(given, dict) and not given:
        raise ValueError("gives no objective a weight; name some, or write `mean` or `front`")
    return given


Prefer = Annotated[
    Annotated[Literal["front", "mean"], Tag("name")] | Annotated[dict[str, Weight], Tag("weights")],
    Discriminator(lambda given: "weights" if isinstance(given, dict) else "name"),
    BeforeValidator(_valid_preference),
]
"""A wide front, the best mean of the objectives, or their best weighted mean."""


def _valid_pick(given: Any) -> Any:
    if given in (None, False):
        return None
    is_pick = isinstance(given, str) and (given in ("knee", "mean") or given.startswith("best:"))
    if not is_pick:
        raise ValueError(f"{given!r} is neither `knee`, `mean`, `best:OBJECTIVE` nor `false`")
    return given


Pick = Annotated[str | None, BeforeValidator(_valid_pick)]
"""Which trial of the front a verdict is on; None: no verdict."""


class Config(Settings):
    """One search."""

    name: str = "run"
    base: Model
    models: Annotated[dict[Name, Model], Field(min_length=2), AfterValidator(_distinct_names)]
    merge: Literal["language", "all"] = "language"
    tokenizer: Tokenizer | None = None
    chat_template: str | None = None
    generation_config: str | None = None
    methods: Annotated[list[MethodName], Field(min_length=1)] = Field([*DEFAULT_METHODS])
    space: SpaceSettings = SpaceSettings()
    recipes: list[Path] = Field(default_factory=list)
    tasks: Path | None = None
    objectives: Annotated[
        dict[Name, ObjectiveSettings], Field(min_length=1), AfterValidator(_distinct_names)
    ]
    prefer: Prefer = "front"
    documents: DocumentSettings = DocumentSettings()
    stages: StageSettings = StageSettings()
    scoring: ScoringSettings = ScoringSettings()
    gate: GateSettings = GateSettings()
    merging: MergeSettings = MergeSettings()
    sampler: SamplerSettings = Auto()
    budget: Budget = Budget()
    workers: PoolSettings = PoolSettings()
    verdict: Pick = None
    track: TrackerSettings | None = None
    run: RunPath = Path("runs/run")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    def to_yaml(self) -> str:
        """The config as YAML, with every default."""
        content = self.model_dump(mode="json", by_alias=True)
        return yaml.safe_dump(content, sort_keys=False)

"""A config of mergekit-evolve, as its documentation describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from evaluators.settings import CountOrZero, suggestion

EvolveMethod = Literal["linear", "task_arithmetic", "ties", "dare_ties", "slerp"]


class _Section(BaseModel):
    """mergekit-evolve ignores unknown keys; here they are kept, so that they can be named."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    @property
    def unknown(self) -> list[str]:
        """The keys that the documentation does not have."""
        return list(self.model_extra or {})


def _model_text(given: Any) -> Any:
    """A model as text, also from a mapping of mergekit's."""
    if not isinstance(given, Mapping) or not isinstance(given.get("model"), Mapping | str):
        return given
    model, lora = given["model"], given.get("lora")
    return f"{_path(model)} + {_path(lora)}" if lora else _path(model)


def _path(given: Mapping[str, Any] | str) -> str:
    if isinstance(given, str):
        return given
    revision = given.get("revision")
    return f"{given['path']}@{revision}" if revision else str(given["path"])


Model = Annotated[str, BeforeValidator(_model_text)]


class Genome(_Section):
    """What is searched."""

    models: Annotated[list[Model], Field(min_length=1)]
    merge_method: EvolveMethod
    base_model: Model | None = None
    tokenizer_source: str | None = None
    layer_granularity: CountOrZero = 0
    normalize: bool | None = None
    allow_negative_weights: bool = False
    smooth: bool = False
    filters: list[str] | None = None


class EvolveTask(_Section):
    """What a merge is scored on."""

    name: str
    weight: float = 1.0
    metric: str = "acc,none"


class EvolveConfig(_Section):
    """The whole file."""

    genome: Genome
    tasks: Annotated[list[EvolveTask], Field(min_length=1)]
    limit: float | None = None
    num_fewshot: CountOrZero | None = None
    apply_chat_template: bool = False
    fewshot_as_multiturn: bool | None = None
    shuffle: bool = False
    random_init: bool = False

    def unknown_keys(self) -> Iterator[str]:
        """The paths of keys that the documentation does not have."""
        yield from self.unknown
        yield from (f"genome.{key}" for key in self.genome.unknown)
        yield from (f"tasks.{i}.{key}" for i, task in enumerate(self.tasks) for key in task.unknown)


def read_evolve(path: Path) -> EvolveConfig:
    """Reads a config of mergekit-evolve.

    Raises:
        ValueError: if the file is missing or is none, with every error in it.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or "genome" not in content:
        raise ValueError(f"{path}: is no config of mergekit-evolve: it has no `genome`")
    try:
        return EvolveConfig.model_validate(content)
    except ValidationError as error:
        errors = [_described(dict(each)) for each in error.errors()]
        raise ValueError("\n  ".join([f"{path}: cannot be translated:", *errors])) from None


def _described(error: Mapping[str, Any]) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{where}: is required and missing"
    if where == "genome.merge_method":
        known = ("linear", "task_arithmetic", "ties", "dare_ties", "slerp")
        given = str(error["input"])
        return f"{where}: {given!r} is none of its methods; {suggestion(given, known)}"
    return f"{where}: {error['msg']} (got {error['input']!r})"

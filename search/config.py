"""The config: one YAML file, strictly validated, every fault named at once.

Reading goes on after the first fault: what can still be checked (models against each other, tasks,
metrics) is checked, so that a user mends a file once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails

from evaluators.documents import DocumentSettings
from evaluators.settings import Settings
from evaluators.tasks import ScoringSettings
from evaluators.vitals import GateSettings
from search.budget import Budget
from search.objectives import ObjectiveSettings, nearest
from search.samplers import Auto, SamplerSettings
from search.space import SpaceSettings
from workers.methods import METHODS
from workers.pool import PoolSettings
from workers.recipe import Source

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
        raise ValueError(f"unknown merge method {name!r}; {nearest(name, METHODS)}")
    return name


def _unreserved(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name!r} cannot be a name; results use it for their own")
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
    sampler: SamplerSettings = Auto()
    budget: Budget = Budget()
    workers: PoolSettings = PoolSettings()
    run: Place = Path("runs/run")
    seed: int = 0

    def to_yaml(self) -> str:
        """The config with every default written out."""
        content = self.model_dump(mode="json", by_alias=True)
        return yaml.safe_dump(content, sort_keys=False)


class Draft:
    """A config file as far as it can be understood.

    Args:
        path: of the file; relative paths in it are relative to its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        raw = _read(path)
        self.faults: list[str] = []
        try:
            self.config: Config | None = Config.model_validate(raw)
        except ValidationError as error:
            self.config = None
            self.faults = [_say(each) for each in error.errors()]
        readable = raw if self.config is None else self.config.model_dump(by_alias=True)
        self._fields = dict(_valid_fields(readable))
        if self._runs_here(self["run"]):
            self.faults.append("run: is the config's own folder; name one for the run alone")

    def reads(self, field: str) -> bool:
        """Whether a field is right by itself."""
        return field in self._fields

    def __getitem__(self, field: str) -> Any:
        """A field's value, its default, or None if it cannot be read."""
        return self._fields.get(field)

    def resolve(self, given: str | Path) -> str:
        """A path of the file, made absolute; a hub id as it is."""
        path = (self.path.parent / Path(given).expanduser()).resolve()
        looks_local = str(given).startswith((".", "/", "~")) or path.exists()
        is_hub_id = str(given).count("/") == 1 and not looks_local and not path.parent.exists()
        return str(given) if is_hub_id else str(path)

    def folder(self, given: Path) -> Path:
        """A folder or file, made absolute; unlike a model it can be no hub id."""
        return (self.path.parent / given.expanduser()).resolve()

    def source(self, given: Source | Mapping[str, Any]) -> Source:
        """A model of the file with its paths made absolute."""
        found = given if isinstance(given, Source) else Source.parse(given)
        adapter = self.resolve(found.adapter) if found.adapter else None
        return replace(found, path=self.resolve(found.path), adapter=adapter)

    def _runs_here(self, run: Path | str | None) -> bool:
        """Whether the run would lie around its config.

        The resolved config that a run keeps does lie in it, and says so by an absolute path.
        """
        if not isinstance(run, Path) or run.expanduser().is_absolute():
            return False
        return self.folder(run) == self.path.parent.resolve()

    def finished(self) -> Config:
        """The config with absolute paths.

        Raises:
            ConfigError: if any fault was found.
        """
        if self.faults or self.config is None:
            raise ConfigError(self.path, self.faults)
        config = self.config
        return config.model_copy(
            update={
                "base": self.source(config.base),
                "models": {name: self.source(each) for name, each in config.models.items()},
                "recipes": [self.folder(recipe) for recipe in config.recipes],
                "tasks": self.folder(config.tasks) if config.tasks else None,
                "run": self.folder(config.run) if isinstance(config.run, Path) else config.run,
            }
        )


class _Loader(yaml.SafeLoader):
    """Plain YAML without what it lets pass: a key that stands twice, of which the last would win.

    Keys are looked at before `<<` is followed, which brings in keys that may be overridden.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line, name = key.start_mark.line + 1, (key.tag, key.value)
                if name in lines:
                    where = f"in lines {lines[name]} and {line}"
                    raise yaml.YAMLError(f"the key {key.value!r} stands twice, {where}")
                lines[name] = line
        return node


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise ConfigError(path, ["there is no such file"]) from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise ConfigError(path, [f"not valid YAML: {error}"]) from None
    if not isinstance(raw, dict):
        raise ConfigError(path, ["a config is a mapping of keys to values; see `docs/config.md`"])
    return raw


def _valid_fields(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each field that is right by itself, whatever is wrong with the others."""
    for name, field in Config.model_fields.items():
        if name not in raw:
            if not field.is_required():
                yield name, field.get_default(call_default_factory=True)
            continue
        try:
            annotation: Any = Annotated[field.annotation, field]
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            yield name, adapter.validate_python(raw[name])
        except ValidationError:
            continue


def _say(error: ErrorDetails) -> str:
    place = [str(part) for part in error["loc"] if part != "[key]"]
    where, given = ".".join(place), error["input"]
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key; {nearest(place[-1], _keys_beside(place))}"
    if error["type"] == "missing":
        return f"{where}: is required and missing"
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}"
    shown = "" if isinstance(given, dict | list) and not given else f" (got {given!r})"
    return f"{where}: {error['msg']}{shown}"


def _keys_beside(place: list[str]) -> list[str]:
    """The keys that are known where an unknown one was found."""
    fields = Config.model_fields
    if len(place) == 1:
        return list(fields)
    owner: Any = fields[place[0]].annotation if place[0] in fields else None
    if place[0] == "objectives":
        owner = ObjectiveSettings
    known = getattr(owner, "model_fields", {})
    return [field.alias or name for name, field in known.items()]

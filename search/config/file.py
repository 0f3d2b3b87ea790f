"""Reading a config file: one YAML file, strictly validated, every fault named at once.

Reading goes on after the first fault: what can still be checked (models against each other, tasks,
metrics) is checked, so that a user mends a file once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from search.config.messages import say
from search.config.schema import Config, ConfigError
from workers.recipe import Source


class ConfigFile:
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
            self.faults = [say(each, Config) for each in error.errors()]
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
        config, cache = self.config, self.config.merging.cache
        return config.model_copy(
            update={
                "base": self.source(config.base),
                "models": {name: self.source(each) for name, each in config.models.items()},
                "recipes": [self.folder(recipe) for recipe in config.recipes],
                "tasks": self.folder(config.tasks) if config.tasks else None,
                "merging": config.merging.model_copy(
                    update={"cache": self.folder(cache) if cache else None}
                ),
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

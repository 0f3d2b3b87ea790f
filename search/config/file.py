"""A config file: strictly validated YAML, with every error in it reported at once.

After an error the other fields can still be read and checked (models against each other, tasks,
metrics), so that a user needs to correct a file only once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import TypeAdapter, ValidationError

from search.config.messages import describe
from search.config.schema import Config, ConfigError
from workers.model_path import directory_error
from workers.recipe import Source


def parse_config(raw: Mapping[str, Any], path: Path) -> Config:
    """The config that a mapping describes.

    Raises:
        ConfigError: with every invalid key, under the path.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(path, describe(error, Config)) from None


class ConfigFile:
    """The valid fields of a config file, and the errors in the others.

    Args:
        path: of the file.
        folder: to which relative paths in it refer; by default the file's.

    Raises:
        ConfigError: if the file is missing or not a YAML mapping.
    """

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        self.path = path
        self.folder = folder or path.parent
        self.raw = raw = _read(path)
        self.errors: list[str] = []
        self.config: Config | None = None
        try:
            self.config = parse_config(raw, path)
        except ConfigError as error:
            self.errors += error.errors
        readable = raw if self.config is None else self.config.model_dump(by_alias=True)
        self._fields = dict(_valid_fields(readable))
        if self._is_own_folder(self["run"]):
            self.errors.append("run: is the config's own folder; the run needs another one")

    def __getitem__(self, field: str) -> Any:
        """The value or default of a field; None if it is invalid."""
        return self._fields.get(field)

    def absolute(self, path: Path) -> Path:
        """The absolute path of a folder or file that the config names.

        Raises:
            ConfigError: if no file can have this path.
        """
        try:
            found = (self.folder / path.expanduser()).resolve()
            found.exists()  # fails for a name that is too long
        except (ValueError, RuntimeError, OSError) as error:  # a zero byte, an unknown user
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(self.path, [f"{str(path)[:80]!r} is no path: {reason}"]) from None
        return found

    def source(self, given: Source | Mapping[str, Any]) -> Source:
        """A model that the config names, with absolute paths."""
        source = given if isinstance(given, Source) else Source.parse(given)
        adapter = self._model_path(source.adapter) if source.adapter else None
        merge = "all" if self["merge"] == "all" else source.merge
        return replace(source, path=self._model_path(source.path), adapter=adapter, merge=merge)

    @property
    def run(self) -> Path | str | None:
        """The folder of the run, absolute, or its URI; None if it is invalid."""
        run: Path | str | None = self["run"]
        return self.absolute(run) if isinstance(run, Path) else run

    def missing_paths(self) -> Iterator[str]:
        """The folders and files that the config names and that do not exist."""
        models = self["models"] or {}
        given = {"base": self["base"], **{f"models.{name}": each for name, each in models.items()}}
        for where, source in given.items():
            if source is None:
                continue
            path = self.source(source).path  # absolute, or a hub id
            if Path(path).is_absolute() and (error := directory_error(path)):
                yield f"{where}: {error}"
        named = {f"recipes.{i}": each for i, each in enumerate(self["recipes"] or [])}
        for where, file in named.items():
            if file is not None and not (absolute := self.absolute(file)).exists():
                yield f"{where}: {absolute} does not exist"

    def resolved(self) -> Config:
        """The config with absolute paths.

        Raises:
            ConfigError: if there is any error.
        """
        if self.errors or self.config is None:
            raise ConfigError(self.path, self.errors)
        config, cache, track = self.config, self.config.merging.cache, self.config.track
        folder = getattr(track, "folder", None)
        return config.model_copy(
            update={
                "base": self.source(config.base),
                "models": {name: self.source(each) for name, each in config.models.items()},
                "recipes": [self.absolute(recipe) for recipe in config.recipes],
                "tasks": self.absolute(config.tasks) if config.tasks else None,
                "merging": config.merging.model_copy(
                    update={"cache": self.absolute(cache) if cache else None}
                ),
                "track": track.model_copy(update={"folder": self.absolute(folder)})
                if track and folder
                else track,
                "run": self.run,
            }
        )

    def _model_path(self, given: str) -> str:
        """The absolute path of a model; a hub id is returned unchanged."""
        path = self.absolute(Path(given))
        looks_local = given.startswith((".", "/", "~")) or path.exists()
        is_hub_id = given.count("/") == 1 and not looks_local and not path.parent.exists()
        return given if is_hub_id else str(path)

    def _is_own_folder(self, run: Path | str | None) -> bool:
        """Whether a relative path makes the config's own folder the run.

        The resolved config in a run folder is no error: it names its run by an absolute path.
        """
        if not isinstance(run, Path) or str(run).startswith(("/", "~")):
            return False
        return self.absolute(run) == self.path.parent.resolve()


_TAG = "tag:yaml.org,2002:"
MAX_DIGITS = {f"{_TAG}int": 1000, f"{_TAG}float": 300}
"""Of a number: Python writes no whole number of 4,300 digits, and no float is that large."""


class _Loader(yaml.SafeLoader):
    """Plain YAML in which a duplicate key is an error; in YAML itself the last one would win.

    Keys are compared before `<<` is expanded, because keys from `<<` may be overridden.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line, name = key.start_mark.line + 1, (key.tag, key.value)
                if name in lines:
                    where = f"in lines {lines[name]} and {line}"
                    raise yaml.YAMLError(f"duplicate key {key.value!r} {where}")
                lines[name] = line
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if len(node.value) > (most := MAX_DIGITS.get(node.tag, len(node.value))):
            raise yaml.YAMLError(f"a number has more than {most} digits")
        try:
            return super().construct_object(node, deep)
        except (LookupError, AttributeError):  # of `!!bool x` or `!!timestamp x`
            tag = node.tag.removeprefix(_TAG)
            raise yaml.YAMLError(f"{node.value!r:.80} cannot be of type !!{tag}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise ConfigError(path, ["there is no such file"]) from None
    except IsADirectoryError:
        raise ConfigError(path, ["is a directory; name the config file in it"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError(path, [f"is no text in UTF-8: {error}"]) from None
    except (yaml.YAMLError, ValueError) as error:  # a date with month 13
        raise ConfigError(path, [f"not valid YAML: {error}"]) from None
    if not isinstance(raw, dict):
        raise ConfigError(path, ["a config is a mapping of keys to values; see `docs/config.md`"])
    return raw


def _valid_fields(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each field that is valid on its own, with its value or default."""
    for name, field in Config.model_fields.items():
        if name not in raw:
            if not field.is_required():
                yield name, field.get_default(call_default_factory=True)
            continue
        try:
            yield name, _adapter(name).validate_python(raw[name])
        except ValidationError:
            continue


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    field = Config.model_fields[name]
    annotation: Any = Annotated[field.annotation, field]
    return TypeAdapter(annotation)

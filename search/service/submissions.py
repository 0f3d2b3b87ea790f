"""A config that a user of the service sends: what it may name, and every error in it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config import Config, ConfigError, ConfigFile, make_plan
from search.service.problems import Problem

if TYPE_CHECKING:
    from search.config import Plan
    from search.service.settings import ServiceSettings
    from workers.recipe import Source

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
"""Of a search or an export: a folder's and a job's name, and a part of an address."""
MAX_ERRORS = 100  # of what a service forbids; a stranger may send thousands
CODE = "runs code, which this service's operator does not allow"


@dataclass(frozen=True)
class Submissions:
    """Reads configs under the rules of a service."""

    settings: ServiceSettings

    def errors(self, text: str) -> list[str]:
        """Every error that the text of a config shows, before models and tasks are read."""
        with _written(text) as path:
            try:
                self._resolved(path)
            except ConfigError as error:
                return error.errors
        return []

    def content(self, text: str) -> dict[str, Any]:
        """The mapping that the text of a config is, with its errors.

        Raises:
            Problem: if it is none.
        """
        with _written(text) as path, _config_errors():
            return ConfigFile(path, self._folder).raw

    @contextmanager
    def resolved(self, text: str) -> Iterator[Path]:
        """The file of a config with absolute paths and the folder of its run.

        Raises:
            Problem: with every error that the text shows.
        """
        with _written(text) as path, _config_errors():
            config = self._resolved(path)
            path.write_text(config.to_yaml(), encoding="utf-8")
            yield path

    def plan(self, text: str) -> Plan:
        """The plan of a config.

        Raises:
            Problem: with every error in the text, or else every one in its models and tasks.
        """
        with self.resolved(text) as path:
            return make_plan(path)

    def _resolved(self, path: Path) -> Config:
        file = ConfigFile(path, self._folder)
        found = chain(_name_errors(file.raw), self._code_errors(file), self._path_errors(file))
        mine = list(islice(found, MAX_ERRORS))
        if not mine:  # else a message may say what is outside the folders
            file.errors += file.missing_paths()
        if errors := [*file.errors, *mine]:
            raise ConfigError(path, errors)
        return file.resolved().model_copy(update={"run": self.settings.run(str(file.raw["name"]))})

    @property
    def _folder(self) -> Path | None:
        """To which relative paths refer."""
        root = self.settings.root
        return next(iter(self.settings.data), root if isinstance(root, Path) else None)

    def _code_errors(self, file: ConfigFile) -> Iterator[str]:
        if self.settings.allow_code:
            return
        scoring, workers, objectives = (file[key] for key in ("scoring", "workers", "objectives"))
        if scoring and scoring.allow_code:
            yield f"scoring.allow_code: {CODE}"
        if workers and workers.runtime_env is not None:
            yield f"workers.runtime_env: {CODE}"
        for name, objective in (objectives or {}).items():
            if objective.python is not None:
                yield f"objectives.{name}.python: {CODE}"
        for where in _keys_named("trust_remote_code", file.raw, ""):
            yield f"{where}: {CODE}"

    def _path_errors(self, file: ConfigFile) -> Iterator[str]:
        models = {"base": file["base"]}
        models |= {f"models.{name}": each for name, each in (file["models"] or {}).items()}
        for where, given in models.items():
            if given is not None:
                yield from self._model_errors(where, file.source(given))
        recipes = {f"recipes.{i}": each for i, each in enumerate(file["recipes"] or [])}
        for where, path in {"tasks": file["tasks"], **recipes}.items():
            if path is not None and not self._is_allowed(file.absolute(path)):
                yield f"{where}: {self._outside(path)}"
        merging = file["merging"]
        if merging and merging.cache is not None:
            yield "merging.cache: the service chooses it; leave it out"
        for key in ("folder", "uri"):
            if getattr(file["track"], key, None) is not None:
                yield f"track.{key}: the service's operator chooses it; leave it out"

    def _model_errors(self, where: str, source: Source) -> Iterator[str]:
        for path in filter(None, (source.path, source.adapter)):
            if not Path(path).is_absolute():
                if not self.settings.allow_hub:
                    yield (
                        f"{where}: {path} is of the hub, which this service's operator does not "
                        "allow; name a folder"
                    )
            elif not self._is_allowed(Path(path)):
                yield f"{where}: {self._outside(path)}"

    def _is_allowed(self, path: Path) -> bool:
        """Whether an absolute path without symbolic links is in one of the folders."""
        folders = filter(None, (*self.settings.data, self.settings.exports))
        return any(path.is_relative_to(folder.resolve()) for folder in folders)

    def _outside(self, path: Path | str) -> str:
        known = ", ".join(str(folder) for folder in self.settings.data) or "none"
        return f"{path} is outside the folders of this service; it may be in: {known}"


def _name_errors(raw: Mapping[str, Any]) -> Iterator[str]:
    name = raw.get("name")
    if name is None:
        yield "name: is required and missing; it names the search in the service"
    elif not isinstance(name, str) or not re.fullmatch(NAME, name):
        yield (
            f"name: {str(name)[:80]!r} cannot name a search; begin with a letter or digit, then "
            "letters, digits, - and _, at most 64"
        )
    if "run" in raw:
        yield "run: the service chooses the folder; remove this key, `name` names the search"


def _keys_named(wanted: str, content: Any, path: str) -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            where = f"{path}.{key}" if path else str(key)
            if key == wanted:
                yield where
            yield from _keys_named(wanted, value, where)
    elif isinstance(content, list):
        for each in content:
            yield from _keys_named(wanted, each, path)


@contextmanager
def _written(text: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(text, encoding="utf-8", errors="replace")
        yield path


@contextmanager
def _config_errors() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise config_problem(error.errors) from None


def config_problem(errors: list[str]) -> Problem:
    """The answer to a config with errors."""
    found = Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"the config has {len(errors)} error{'s' if len(errors) > 1 else ''}: {errors[0]}",
        fix="correct every error in `errors` and send the config again",
        errors=errors,
    )
    found.field = found.errors[0]["field"]
    return found

"""Which tasks a run is scored on: the settings, and the folder of task files read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, PositiveInt

from evaluators.documents import DocumentSettings
from evaluators.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable


class TaskError(ValueError):
    """Tasks that can't be scored as asked: every problem found, one a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.errors = tuple(problems)
        super().__init__("\n".join(self.errors))


class ScoringSettings(Settings):
    """How a model is asked, and what its tasks are allowed."""

    batch_size: PositiveInt = 128  # at most
    batch_tokens: PositiveInt = 16384  # of a batch of the longest requests, at most
    max_length: PositiveInt | None = None  # of a prompt with its answer; None: the model's
    max_gen_toks: PositiveInt | None = None  # of a generation; None: what each task says
    num_fewshot: int | None = Field(None, ge=0)
    apply_chat_template: bool = False
    keep_responses: bool = False
    allow_code: tuple[str, ...] = ()
    allow_benchmark_tuning: bool = False


class SuiteSettings(ScoringSettings):
    """The tasks, where they are, and how a model is asked."""

    tasks: tuple[str, ...]
    folder: Path | None = None
    documents: DocumentSettings = DocumentSettings()


class Function(str):
    """A `!function` reference in a task file, not followed."""

    __slots__ = ()


@dataclass(frozen=True)
class TaskFile:
    """One YAML file that defines a task or a group, with its includes merged in."""

    path: Path
    name: str
    config: dict[str, Any]

    @property
    def children(self) -> tuple[str, ...]:
        """The names of a group's members; none for a task."""
        members = self.config.get("task") if "group" in self.config else None
        listed = members if isinstance(members, list) else []
        return tuple(m if isinstance(m, str) else m.get("task", m.get("group")) for m in listed)

    @property
    def tags(self) -> tuple[str, ...]:
        """Names under which several tasks are asked for at once."""
        tags = self.config.get("tag") or ()
        return (tags,) if isinstance(tags, str) else tuple(tags)


def read_folder(folder: Path) -> dict[str, TaskFile]:
    """Every task and group that the YAML files under a folder define, by name.

    A file that names neither a task nor a group is taken for one that others include.

    Raises:
        TaskError: no such folder, a file that isn't valid YAML, a missing include, or a name
            defined twice. lm-eval skips such files without a word.
    """
    if not folder.is_dir():
        raise TaskError([f"tasks folder {folder}: no such directory"])
    problems: list[str] = []
    files: dict[str, TaskFile] = {}
    for path in sorted(folder.rglob("*.yaml")):
        try:
            config = read_file(path)
        except TaskError as error:
            problems += error.errors
            continue
        name = config.get("group", config.get("task"))
        if not isinstance(name, str):
            continue
        if name in files:
            problems.append(f"task {name}: defined in both {files[name].path} and {path}")
        files[name] = TaskFile(path, name, config)
    if problems:
        raise TaskError(problems)
    return files


class _Loader(yaml.SafeLoader):
    """Plain YAML plus lm-eval's `!function`, which it does not follow."""


def _function(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Function:
    return Function(loader.construct_scalar(node))


_Loader.add_constructor("!function", _function)


def read_file(path: Path, including: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A task file with its includes merged in, nearer keys winning."""
    if path in including:
        raise TaskError([f"{path}: includes itself"])
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.YAMLError as error:
        raise TaskError([f"{path}: not valid YAML: {' '.join(str(error).split())}"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError([f"{path}: can't be read: {error}"]) from None
    if not isinstance(config, dict):
        raise TaskError([f"{path}: holds a {type(config).__name__}, not a mapping of keys"])
    includes = config.pop("include", [])
    merged: dict[str, Any] = {}
    for include in [includes] if isinstance(includes, str) else includes:
        merged |= read_file((path.parent / include).resolve(), (*including, path))
    return merged | config

"""Task files in lm-eval's YAML format, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable


class TaskError(ValueError):
    """Tasks that cannot be scored as requested; the message has one line per error."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


class Function(str):
    """A `!function` reference in a task file; the function is not imported."""

    __slots__ = ()


@dataclass(frozen=True)
class TaskFile:
    """One YAML file that defines a task or a group, with its includes merged in."""

    path: Path
    name: str
    config: dict[str, Any]

    @property
    def children(self) -> tuple[str, ...]:
        """The names of a group's members; empty for a task."""
        members = self.config.get("task") if "group" in self.config else None
        listed = members if isinstance(members, list) else []
        return tuple(m if isinstance(m, str) else m.get("task", m.get("group")) for m in listed)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of a task: each names several tasks at once."""
        tags = self.config.get("tag") or ()
        return (tags,) if isinstance(tags, str) else tuple(tags)


def read_folder(folder: Path) -> dict[str, TaskFile]:
    """Every task and group that the YAML files in a folder and its subfolders define, by name.

    A file that defines neither a task nor a group is ignored: other files may include it.

    Raises:
        TaskError: the folder does not exist, a file is not valid YAML, an included file is
            missing, or a name is defined twice. lm-eval silently skips such files.
    """
    if not folder.is_dir():
        raise TaskError([f"tasks folder {folder}: no such directory"])
    errors: list[str] = []
    files: dict[str, TaskFile] = {}
    for path in sorted(folder.rglob("*.yaml")):
        try:
            config = read_file(path)
        except TaskError as error:
            errors += error.errors
            continue
        name = config.get("group", config.get("task"))
        if not isinstance(name, str):
            continue
        if name in files:
            errors.append(f"task {name}: defined in both {files[name].path} and {path}")
        files[name] = TaskFile(path, name, config)
    if errors:
        raise TaskError(errors)
    return files


class _Loader(yaml.SafeLoader):
    """Reads plain YAML and lm-eval's `!function` tags, without importing the functions."""


def _function(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Function:
    return Function(loader.construct_scalar(node))


_Loader.add_constructor("!function", _function)


def read_file(path: Path, including: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A task file merged with its included files; the including file's keys take precedence."""
    if path in including:
        raise TaskError([f"{path}: includes itself"])
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.YAMLError as error:
        raise TaskError([f"{path}: not valid YAML: {' '.join(str(error).split())}"]) from None
    except (OSError, ValueError) as error:
        raise TaskError([f"{path}: cannot be read: {error}"]) from None
    if not isinstance(config, dict):
        raise TaskError([f"{path}: contains a {type(config).__name__}, not a mapping of keys"])
    includes = config.pop("include", [])
    merged: dict[str, Any] = {}
    for include in [includes] if isinstance(includes, str) else includes:
        merged |= read_file((path.parent / include).resolve(), (*including, path))
    return merged | config

"""Finds data files that a task file names by a relative path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_eval.tasks._yaml_loader import load_yaml

from evaluators.tasks import TaskError, strings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lm_eval.tasks import TaskManager

    from evaluators.tasks import TaskFile


def resolve_data_files(manager: TaskManager, files: Iterable[TaskFile]) -> set[Path]:
    """Resolve data files relative to their task file; return the folders of these task files.

    lm-eval resolves them relative to the working directory only. A data file that exists there and
    not beside its task file is left to lm-eval.

    Raises:
        TaskError: data files that do not exist.
    """
    folders: set[Path] = set()
    errors: list[str] = []
    for file in files:
        given = (file.config.get("dataset_kwargs") or {}).get("data_files")
        errors += [
            f"task {file.name}: {file.path} names the data file {name}, which does not exist"
            for name in strings(given)
            if not _exists(file.path.parent, name)
        ]
        resolved = _resolve(file.path.parent, given)
        if resolved != given:
            folders.add(file.path.parent)
            entry = manager.task_index[file.name]
            entry.cfg = load_yaml(file.path, resolve_func=True)
            entry.cfg["dataset_kwargs"]["data_files"] = resolved
            entry.yaml_path = None  # otherwise lm-eval reads the file again
    if errors:
        raise TaskError(errors)
    return folders


def _exists(folder: Path, name: str) -> bool:
    if "://" in name or any(character in name for character in "*?["):
        return True
    return (folder / name).exists() or Path(name).exists()


def _resolve(folder: Path, given: Any) -> Any:
    if isinstance(given, dict):
        return {key: _resolve(folder, value) for key, value in given.items()}
    if isinstance(given, list):
        return [_resolve(folder, value) for value in given]
    if given is None or Path(given).is_absolute() or not any(folder.glob(given)):
        return given
    return str(folder / given)

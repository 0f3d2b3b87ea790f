"""From settings to lm-eval's task objects, without a model."""

from __future__ import annotations

import contextlib
import difflib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

from evaluators.tasks import TaskError, TaskFile, read_folder, with_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lm_eval.api.group import Group
    from lm_eval.api.task import Task

    from evaluators.tasks import SuiteSettings

FEWSHOT_SEED = 1234  # what lm_eval's command line and simple_evaluate use


@dataclass(frozen=True)
class Loaded:
    """Tasks and groups by name, in the order in which lm-eval would ask them."""

    tasks: dict[str, Task]
    groups: dict[str, Group]


def load(settings: SuiteSettings) -> Loaded:
    """The tasks that the settings name.

    Raises:
        TaskError: every name, file or data set that stands in the way.
    """
    files = read_folder(settings.folder) if settings.folder else {}
    manager = _manager(settings, files)
    _refuse_unknown(settings.tasks, manager)
    _find_data(manager, files)
    loaded = Loaded({}, {})
    problems: list[str] = []
    for name in settings.tasks:
        try:
            with quiet():
                part = manager.load([name])
        except Exception as error:  # whatever a data set or a task file's code raises
            problems.append(f"task {name}: {type(error).__name__}: {error}")
            continue
        problems += [
            f"task {twice}: asked for twice, the second time by {name}"
            for twice in part["tasks"]
            if twice in loaded.tasks
        ]
        loaded.tasks.update(part["tasks"])
        loaded.groups.update(part["groups"])
    if problems:
        raise TaskError(problems)
    for task in loaded.tasks.values():
        _set_fewshot(task, settings.num_fewshot)
    return loaded


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing on the terminal: lm-eval and datasets show bars that no argument turns off."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def unknown(kind: str, given: str, choices: list[str]) -> str:
    """One message for a name that isn't there, with the nearest that is."""
    near = difflib.get_close_matches(given, choices, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(choices[:20])}"
    return f"unknown {kind} {given!r}; {hint}"


def _manager(settings: SuiteSettings, files: dict[str, TaskFile]) -> TaskManager:
    """The folder's tasks alone when they are all that is needed.

    Reading lm-eval's own 14,000 files takes 20 seconds and more.
    """
    tags = {tag for file in files.values() for tag in file.tags}
    needed = set(with_members(settings.tasks, files))
    return TaskManager(
        include_path=settings.folder, include_defaults=not needed <= files.keys() | tags
    )


def _refuse_unknown(names: tuple[str, ...], manager: TaskManager) -> None:
    if not names:
        raise TaskError(["no tasks given"])
    missing = [name for name in names if name not in manager.task_index]
    if missing:
        raise TaskError(unknown("task", name, manager.all_tasks) for name in missing)


def _find_data(manager: TaskManager, files: Mapping[str, TaskFile]) -> None:
    """Let relative data files be relative to their task file, not to the working directory."""
    for name, file in files.items():
        found = {key: _beside(file.path, value) for key, value in _data_files(file).items()}
        if found != _data_files(file):
            entry = manager.task_index[name]
            entry.cfg = load_yaml(file.path, resolve_func=True)
            entry.cfg["dataset_kwargs"]["data_files"] = found
            entry.yaml_path = None  # or it would be read again


def _data_files(file: TaskFile) -> dict[str, Any]:
    given = (file.config.get("dataset_kwargs") or {}).get("data_files") or {}
    return given if isinstance(given, dict) else {"train": given}


def _beside(path: Path, given: Any) -> Any:
    if isinstance(given, list):
        return [_beside(path, one) for one in given]
    return str(path.parent / given) if (path.parent / given).exists() else given


def _set_fewshot(task: Task, asked: int | None) -> None:
    """As simple_evaluate does: a task that says 0 keeps it, one that says nothing gets 0."""
    own = task.get_config("num_fewshot")
    if own != 0 and (asked is not None or own is None):
        task.set_config(key="num_fewshot", value=asked or 0)

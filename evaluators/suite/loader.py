"""Loads lm-eval's task objects from settings, without a model."""

from __future__ import annotations

import contextlib
import difflib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2.exceptions import SecurityError
from lm_eval.tasks import TaskManager

from evaluators.suite import builtin_tasks
from evaluators.suite.data_files import resolve_data_files
from evaluators.suite.fingerprints import differing_keys
from evaluators.suite.templates import TEMPLATES
from evaluators.tasks import (
    TaskError,
    TaskFile,
    benchmark_error,
    code_error,
    public_test,
    read_file,
    read_folder,
    strings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lm_eval.api.group import Group
    from lm_eval.api.task import Task

    from evaluators.tasks import SuiteSettings


@dataclass(frozen=True)
class LoadedTasks:
    """Tasks and groups by name, in the order in which lm-eval evaluates them."""

    tasks: dict[str, Task]
    groups: dict[str, Group]
    benchmarks: tuple[str, ...]  # the public test sets that the tasks use
    data_folder: Path | None  # relative data files are relative to it; None: there are none


def load(settings: SuiteSettings) -> LoadedTasks:
    """The tasks that the settings name.

    Raises:
        TaskError: every name, file and data set that cannot be used.
    """
    manager = _manager(settings)
    requested = {name: list(_files(name, manager)) for name in settings.tasks}
    files = {file.name: file for found in requested.values() for file in found}
    trusted = _check_permissions(requested, settings)
    folders = resolve_data_files(manager, files.values())
    TEMPLATES.trust(source for file in trusted for source in strings(file.config))
    tasks, groups = _load(manager, settings.tasks)
    for task in tasks.values():
        _configure(task, settings)
    benchmarks = tuple(found for file in files.values() if (found := public_test(file)))
    folder = folders.pop() if len(folders) == 1 else None  # a command has one working directory
    return LoadedTasks(tasks, groups, benchmarks, folder)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide the progress bars of lm-eval and datasets, which no argument turns off."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def _manager(settings: SuiteSettings) -> TaskManager:
    """lm-eval's task manager, restricted to the folders that contain the requested tasks."""
    if not settings.tasks:
        raise TaskError(["no tasks given"])
    files = read_folder(settings.folder) if settings.folder else {}
    local = {*files, *(tag for file in files.values() for tag in file.tags)}
    members = {child for file in files.values() for child in file.children}
    builtin = {*settings.tasks, *members} - local
    known = local.union(*builtin_tasks.names()) if builtin else local
    if unknown := [name for name in settings.tasks if name not in known]:
        raise TaskError(_unknown(name, known, local) for name in unknown)
    include = [settings.folder] if settings.folder else []
    folders = builtin_tasks.folders(builtin) if builtin else set()
    if folders is None:
        return TaskManager(include_path=include)
    return TaskManager(include_path=[*sorted(folders), *include], include_defaults=False)


def _cause(error: BaseException) -> str:
    """What lies behind an error: `datasets` says only in its cause what is wrong with a file."""
    while error.__cause__ is not None:
        error = error.__cause__
        if str(error):
            return f": {error}{_cause(error)}"
    return ""


def _unknown(given: str, names: Iterable[str], own: Iterable[str] = ()) -> str:
    close = difflib.get_close_matches(given, own, n=1) or difflib.get_close_matches(
        given, names, n=1
    )
    return f"unknown task {given!r}" + (f"; did you mean {close[0]}?" if close else "")


def _files(name: str, manager: TaskManager) -> Iterator[TaskFile]:
    """The files of a task, of all members of a group, or of all tasks with a tag."""
    entry = manager.task_index.get(name)
    if entry is None:
        return  # the task is defined inside the file of its group
    if entry.yaml_path is None:
        members: Iterable[str] = sorted(entry.tags)
    else:
        file = TaskFile(entry.yaml_path, name, read_file(entry.yaml_path))
        members = file.children
        yield file
    for member in members:
        yield from _files(member, manager)


def _check_permissions(
    requested: Mapping[str, list[TaskFile]], settings: SuiteSettings
) -> list[TaskFile]:
    """The files that may run code, because they or the name that requested them are allowed."""
    allowed = set(settings.allow_code)
    trusted = [f for name, files in requested.items() for f in files if allowed & {name, f.name}]
    files = [file for found in requested.values() for file in found]
    errors = [code_error(file) for file in files if file not in trusted]
    if not settings.allow_benchmark_tuning:
        errors += [benchmark_error(file) for file in files]
    if found := [error for error in errors if error]:
        raise TaskError(dict.fromkeys(found))
    return trusted


def _load(manager: TaskManager, names: Iterable[str]) -> tuple[dict[str, Task], dict[str, Group]]:
    tasks: dict[str, Task] = {}
    groups: dict[str, Group] = {}
    errors: list[str] = []
    for name in names:
        try:
            with quiet():
                loaded = manager.load([name])
        except SecurityError as error:
            errors.append(
                f"task {name}: a template accesses more than its document ({error}); "
                f"if you trust it, set `scoring: {{allow_code: [{name}]}}`"
            )
            continue
        except Exception as error:  # data sets and code in task files may raise anything
            errors.append(f"task {name}: {type(error).__name__}: {error}{_cause(error)}")
            continue
        for each, task in loaded["tasks"].items():  # a group's member may be requested alone too
            if keys := differing_keys(task, tasks.setdefault(each, task)):
                errors.append(_conflict(each, name, keys))
        groups.update(loaded["groups"])
    if errors:
        raise TaskError(errors)
    return tasks, groups


def _conflict(task: str, name: str, keys: Iterable[str]) -> str:
    return (
        f"task {task}: {name} sets another {', '.join(keys)} for it than the objectives before, "
        f"and a task is scored once; copy its file under another `task:` name, and name that in "
        "one of them"
    )


def _configure(task: Task, settings: SuiteSettings) -> None:
    """Apply the settings as simple_evaluate does: a task's own `num_fewshot: 0` is kept."""
    default, requested = task.get_config("num_fewshot"), settings.num_fewshot
    if default != 0 and (requested is not None or default is None):
        task.set_config(key="num_fewshot", value=requested or 0)
    if settings.max_gen_toks and task.OUTPUT_TYPE == "generate_until":
        limit = {"max_gen_toks": settings.max_gen_toks}
        task.set_config(key="generation_kwargs", value=limit, update=True)

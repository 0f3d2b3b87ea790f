"""From settings to lm-eval's task objects, without a model."""

from __future__ import annotations

import contextlib
import difflib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import SecurityError
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

from evaluators.guards import benchmark_problem, code_problem, public_test, strings
from evaluators.suite import builtin
from evaluators.suite.templates import TEMPLATES
from evaluators.tasks import TaskError, TaskFile, read_file, read_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lm_eval.api.group import Group
    from lm_eval.api.task import Task

    from evaluators.tasks import SuiteSettings

FEWSHOT_SEED = 1234  # what lm-eval's command line and simple_evaluate use


@dataclass(frozen=True)
class Loaded:
    """Tasks and groups by name, in the order in which lm-eval would ask them."""

    tasks: dict[str, Task]
    groups: dict[str, Group]
    benchmarks: tuple[str, ...]  # public test sets among them
    data_folder: Path | None  # where data files are named from, where any are named relatively


def load(settings: SuiteSettings) -> Loaded:
    """The tasks that the settings name.

    Raises:
        TaskError: every name, file or data set that stands in the way.
    """
    manager = _manager(settings)
    asked = {name: list(_reach(name, manager)) for name in settings.tasks}
    files = {file.name: file for reached in asked.values() for file in reached}
    trusted = _refuse_unsafe(asked, settings)
    folders = _find_data(manager, files.values())
    TEMPLATES.trust(source for file in trusted for source in strings(file.config))
    tasks, groups = _load(manager, settings.tasks)
    for task in tasks.values():
        _configure(task, settings)
    benchmarks = tuple(found for file in files.values() if (found := public_test(file)))
    folder = folders.pop() if len(folders) == 1 else None  # one command has one directory
    return Loaded(tasks, groups, benchmarks, folder)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing on the terminal: lm-eval and datasets show bars that no argument turns off."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def _manager(settings: SuiteSettings) -> TaskManager:
    """lm-eval's manager, over no more task files than the settings need."""
    if not settings.tasks:
        raise TaskError(["no tasks given"])
    files = read_folder(settings.folder) if settings.folder else {}
    own = {*files, *(tag for file in files.values() for tag in file.tags)}
    members = {child for file in files.values() for child in file.children}
    elsewhere = {*settings.tasks, *members} - own
    known = own.union(*builtin.names()) if elsewhere else own
    if missing := [name for name in settings.tasks if name not in known]:
        raise TaskError(_unknown(name, known) for name in missing)
    local = [settings.folder] if settings.folder else []
    folders = builtin.folders(elsewhere) if elsewhere else set()
    if folders is None:
        return TaskManager(include_path=local)
    return TaskManager(include_path=[*sorted(folders), *local], include_defaults=False)


def _unknown(given: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, names, n=1)
    return f"unknown task {given!r}" + (f"; did you mean {near[0]}?" if near else "")


def _reach(name: str, manager: TaskManager) -> Iterator[TaskFile]:
    """The files behind a name: a task's own, those of a group's members or of a tag's tasks."""
    entry = manager.task_index.get(name)
    if entry is None:
        return  # written out inside its group's file
    if entry.yaml_path is None:
        members: Iterable[str] = sorted(entry.tags)
    else:
        file = TaskFile(entry.yaml_path, name, read_file(entry.yaml_path))
        members = file.children
        yield file
    for member in members:
        yield from _reach(member, manager)


def _refuse_unsafe(asked: Mapping[str, list[TaskFile]], settings: SuiteSettings) -> list[TaskFile]:
    """The files that are trusted to run code, by their own name or the one they are asked by."""
    allowed = set(settings.allow_code)
    trusted = [f for name, files in asked.items() for f in files if allowed & {name, f.name}]
    problems = [
        code_problem(file) for files in asked.values() for file in files if file not in trusted
    ]
    if not settings.allow_benchmark_tuning:
        problems += [benchmark_problem(file) for files in asked.values() for file in files]
    if found := [problem for problem in problems if problem]:
        raise TaskError(dict.fromkeys(found))
    return trusted


def _find_data(manager: TaskManager, files: Iterable[TaskFile]) -> set[Path]:
    """Let relative data files be relative to their task file, and return the folders that are.

    lm-eval takes them as relative to the working directory; where they are found there and not
    beside the file, they stay as they are.
    """
    folders: set[Path] = set()
    problems: list[str] = []
    for file in files:
        given = (file.config.get("dataset_kwargs") or {}).get("data_files")
        problems += [
            f"task {file.name}: {file.path} names the data file {name}, which is not there"
            for name in strings(given)
            if not _found(file.path.parent, name)
        ]
        found = _beside(file.path.parent, given)
        if found != given:
            folders.add(file.path.parent)
            entry = manager.task_index[file.name]
            entry.cfg = load_yaml(file.path, resolve_func=True)
            entry.cfg["dataset_kwargs"]["data_files"] = found
            entry.yaml_path = None  # or it would be read again
    if problems:
        raise TaskError(problems)
    return folders


def _found(folder: Path, name: str) -> bool:
    if "://" in name or any(sign in name for sign in "*?["):
        return True
    return (folder / name).exists() or Path(name).exists()


def _beside(folder: Path, given: Any) -> Any:
    if isinstance(given, dict):
        return {key: _beside(folder, value) for key, value in given.items()}
    if isinstance(given, list):
        return [_beside(folder, value) for value in given]
    if given is None or Path(given).is_absolute() or not any(folder.glob(given)):
        return given
    return str(folder / given)


def _load(manager: TaskManager, names: Iterable[str]) -> tuple[dict[str, Task], dict[str, Group]]:
    tasks: dict[str, Task] = {}
    groups: dict[str, Group] = {}
    problems: list[str] = []
    for name in names:
        try:
            with quiet():
                part = manager.load([name])
        except SecurityError as error:
            problems.append(
                f"task {name}: a template reaches beyond its document ({error}); "
                f"if you trust it, say `scoring: {{allow_code: [{name}]}}`"
            )
            continue
        except Exception as error:  # whatever a data set or a task file's code raises
            problems.append(f"task {name}: {type(error).__name__}: {error}")
            continue
        problems += [f"task {twice}: asked for twice" for twice in part["tasks"] if twice in tasks]
        tasks.update(part["tasks"])
        groups.update(part["groups"])
    if problems:
        raise TaskError(problems)
    return tasks, groups


def _configure(task: Task, settings: SuiteSettings) -> None:
    """As simple_evaluate does: a task that says 0 examples keeps that, one that doesn't gets 0."""
    own, asked = task.get_config("num_fewshot"), settings.num_fewshot
    if own != 0 and (asked is not None or own is None):
        task.set_config(key="num_fewshot", value=asked or 0)
    if settings.max_gen_toks and task.OUTPUT_TYPE == "generate_until":
        cap = {"max_gen_toks": settings.max_gen_toks}
        task.set_config(key="generation_kwargs", value=cap, update=True)

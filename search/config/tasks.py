"""The objectives of a config, checked against the tasks that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.evaluator import make_evaluator
from evaluators.stages import StagedTasks
from evaluators.tasks import FunctionSettings, SuiteSettings, TaskError, read_folder
from search.objectives import Objective, TaskMetrics, resolve

if TYPE_CHECKING:
    from evaluators.documents import DocumentSettings
    from evaluators.tasks import ScoringSettings
    from search.config.file import ConfigFile
    from search.config.schema import Config
    from search.objectives import ObjectiveSettings

TaskDigests = Mapping[str, tuple[str, str]]
"""Task -> digests of its prompts and metrics, and of its documents."""


@dataclass(frozen=True)
class LoadedTasks:
    """What the tasks of the objectives report."""

    metrics: TaskMetrics = field(default_factory=dict)
    digests: TaskDigests = field(default_factory=dict)
    errors: Sequence[str] = ()
    warnings: Sequence[str] = ()
    staged: StagedTasks = field(default_factory=lambda: StagedTasks({}))


def check_objectives(file: ConfigFile) -> tuple[list[Objective], LoadedTasks]:
    """The objectives and their tasks, with every error in both."""
    tasks = _load_tasks(file)
    loaded = {
        name: each
        for name, each in file["objectives"].items()
        if all(one.task in tasks.metrics for one in each.metrics.values())
    }
    objectives, metric_errors = resolve(loaded, tasks.metrics)
    errors = [*tasks.errors, *metric_errors, *_function_errors(file["objectives"])]
    return objectives, replace(tasks, errors=errors)


def _function_errors(objectives: Mapping[str, ObjectiveSettings]) -> Iterator[str]:
    """Objectives of one function that give it different documents: it is called once for all."""
    first: dict[str, tuple[str, int]] = {}
    for name, each in objectives.items():
        if each.python is None or each.documents is None:
            continue
        other, documents = first.setdefault(each.python, (name, each.documents))
        if each.documents != documents:
            yield (
                f"objectives.{name}.documents: {each.documents}, and objectives.{other} has the "
                f"same function with {documents}; give both the same number"
            )


def suite_settings(config: Config) -> SuiteSettings:
    """What the workers score on."""
    objectives = list(config.objectives.values())
    return _suite_settings(objectives, config.tasks, config.documents, config.scoring)


def _load_tasks(file: ConfigFile) -> LoadedTasks:
    objectives, documents = file["objectives"], file["documents"]
    scoring = with_engine(file["scoring"], file["workers"].gpus)
    folder = file.absolute(file["tasks"]) if file["tasks"] else None
    try:
        _ = read_folder(folder) if folder else None
    except TaskError as error:
        return LoadedTasks(errors=[f"tasks: {each}" for each in error.errors])
    settings = _suite_settings(list(objectives.values()), folder, documents, scoring)
    try:
        suite = make_evaluator(settings)  # imports lm_eval
    except TaskError as error:
        metrics, errors = _load_one_by_one(settings, objectives, error)
        return LoadedTasks(metrics, errors=errors)
    return LoadedTasks(
        suite.metrics(), suite.fingerprints, warnings=suite.warnings, staged=suite.staged_tasks
    )


def _load_one_by_one(
    settings: SuiteSettings, objectives: Mapping[str, ObjectiveSettings], error: TaskError
) -> tuple[TaskMetrics, list[str]]:
    """What the valid tasks report, and the errors of the others, each with its objective."""
    metrics: dict[str, Mapping[str, bool | None]] = {}
    errors: dict[str, tuple[str, ...]] = {}
    alone: dict[str, dict[str, object]] = {
        task: {"tasks": (task,), "functions": ()} for task in settings.tasks
    }
    alone |= {each.name: {"tasks": (), "functions": (each,)} for each in settings.functions}
    for task, change in alone.items():
        try:
            metrics |= make_evaluator(settings.model_copy(update=change)).metrics()
        except TaskError as single:
            errors[task] = single.errors
    with_objective = [
        f"objectives.{name}.{place}{'python' if each.python else 'task'}: {message}"
        for name, each in objectives.items()
        for place, one in each.metrics.items()
        for message in errors.get(one.task, ())
    ]
    known = {message for messages in errors.values() for message in messages}
    others = [f"objectives: {message}" for message in error.errors if message not in known]
    return metrics, with_objective + others


def _suite_settings(
    objectives: Sequence[ObjectiveSettings],
    folder: Path | None,
    documents: DocumentSettings,
    scoring: ScoringSettings,
) -> SuiteSettings:
    of_tasks = [each for each in objectives if each.python is None]
    tasks = tuple(dict.fromkeys(one.task for each in of_tasks for one in each.metrics.values()))
    functions = {
        each.python: FunctionSettings(name=each.python, documents=each.documents)
        for each in objectives
        if each.python is not None and each.documents is not None
    }
    return SuiteSettings(
        tasks=tasks,
        functions=tuple(functions.values()),
        folder=folder,
        documents=documents,
        **scoring.model_dump(),
    )


def with_engine(scoring: ScoringSettings, gpus: float | None) -> ScoringSettings:
    """The settings with the engine that `auto` is on this machine.

    Args:
        scoring: as the config has them.
        gpus: of a worker; vLLM is for one, or a share of one.
    """
    if scoring.engine != "auto":
        return scoring
    if gpus is not None and not 0 < gpus <= 1:
        return scoring.model_copy(update={"engine": "hf"})
    from evaluators.suite import best_engine  # imports lm_eval

    return scoring.model_copy(update={"engine": best_engine()})


def engine_errors(file: ConfigFile) -> list[str]:
    """Why the workers cannot have the engine; of an environment of their own only they know."""
    workers = file["workers"]
    scoring = with_engine(file["scoring"], workers.gpus)
    if scoring.engine != "vllm":
        return []
    errors = _gpu_errors(workers.gpus, scoring.vllm.gpu_memory_utilization)
    if workers.runtime_env:
        return errors
    from evaluators.suite import vllm_error  # imports lm_eval

    error = vllm_error()
    return [*errors, error] if error else errors


def _gpu_errors(gpus: float | None, share: float) -> list[str]:
    """Why workers with so many GPUs cannot each start a vLLM with this share of a GPU's memory."""
    if gpus is not None and gpus > 1:
        return [
            f"workers.gpus: {gpus:g}, and the engine vllm uses one GPU; set it to 1, or set "
            "`scoring: {engine: hf}`, which distributes a model over several"
        ]
    if gpus is not None and 0 < gpus < share:
        return [
            f"scoring.vllm.gpu_memory_utilization: {share:g}, and `workers.gpus: {gpus:g}` lets "
            f"{int(1 / gpus)} workers share a GPU; set at most {gpus:g}"
        ]
    return []

"""From a config file to a plan: everything that can be wrong is found here, before Ray starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.settings import SettingsError
from evaluators.suite import Suite
from evaluators.tasks import SuiteSettings, TaskError, read_folder
from search.config.file import ConfigFile
from search.config.recipes import read_recipes
from search.config.schema import Config, ConfigError
from search.objectives import Objective, TaskMetrics, resolve
from search.samplers import Cmaes
from search.space import Space
from workers.checkpoint.reading import look, open_checkpoint
from workers.doctor import Finding, examine
from workers.recipe import Recipe, Source

if TYPE_CHECKING:
    from evaluators.documents import DocumentSettings
    from evaluators.tasks import ScoringSettings
    from search.objectives import ObjectiveSettings


TaskDigests = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Plan:
    """A config that will run: models that fit each other, tasks and metrics that exist."""

    config: Config
    base: Source
    models: Mapping[str, Source]
    objectives: list[Objective]
    space: Space
    suite: SuiteSettings
    warnings: list[Finding]
    recipes: Mapping[str, Recipe]
    """The user's own, by name."""
    tasks: TaskDigests
    """Task -> digests of how it asks and measures, and of its documents."""


def plan(path: Path) -> Plan:
    """Reads and checks a config file.

    Fingerprints, for which whole models are read, are compared when all else is right.

    Raises:
        ConfigError: with every fault of the config, its models and its tasks.
    """
    file = ConfigFile(path)
    findings = _examine(file)
    file.faults += [str(finding) for finding in findings if finding.level == "error"]
    metrics, tasks, problems = _metrics(file)
    file.faults += problems
    objectives, faults = resolve(_known(file["objectives"], metrics), metrics)
    file.faults += [*faults, *_sampler_faults(file), *_space_faults(file)]
    config = file.finished()
    warnings = [finding for finding in findings if finding.level == "warning"]
    return _plan(path, config, objectives, tasks, warnings)


def suite_settings(config: Config) -> SuiteSettings:
    """What the workers score on."""
    objectives = list(config.objectives.values())
    return _suite(objectives, config.tasks, config.documents, config.scoring)


def _plan(
    path: Path,
    config: Config,
    objectives: list[Objective],
    tasks: TaskDigests,
    warnings: list[Finding],
) -> Plan:
    base = _source(config.base)
    models = {name: _source(where) for name, where in config.models.items()}
    layers = open_checkpoint(base).n_layers
    space = Space(tuple(config.methods), models, base, layers, config.space, config.seed)
    try:
        recipes = read_recipes(config.recipes, space)
    except SettingsError as error:
        raise ConfigError(path, [*error.errors]) from None
    suite = suite_settings(config)
    return Plan(config, base, models, objectives, space, suite, warnings, recipes, tasks)


def _sampler_faults(file: ConfigFile) -> list[str]:
    count = len(file["objectives"] or {})
    if isinstance(file["sampler"], Cmaes) and count > 1:
        return [f"sampler: cmaes is for one objective, and there are {count}; evolution is for any"]
    return []


def _space_faults(file: ConfigFile) -> list[str]:
    """What is wrong with the space and the recipes, as far as headers tell."""
    if (space := _outlined(file)) is None:
        return []
    faults: list[str] = []
    try:
        _ = space.axes
    except SettingsError as error:
        faults += error.errors
    try:
        read_recipes([file.folder(recipe) for recipe in file["recipes"] or []], space)
    except SettingsError as error:
        faults += error.errors
    return faults


def _outlined(file: ConfigFile) -> Space | None:
    """The space, its models without fingerprints; None if something it needs cannot be read."""
    if not all(map(file.reads, ("methods", "base", "models", "space"))):
        return None
    base = file.source(file["base"])
    try:
        layers = look(base).n_layers
    except ValueError:  # the doctor has named it
        return None
    models = {name: file.source(each) for name, each in file["models"].items()}
    return Space(tuple(file["methods"]), models, base, layers, file["space"])


def _source(source: Source) -> Source:
    return replace(source, fingerprint=open_checkpoint(source).fingerprint)


def _examine(file: ConfigFile) -> list[Finding]:
    base, models = file["base"], file["models"] or {}
    if base is None:
        return []
    return examine(file.source(base), {name: file.source(each) for name, each in models.items()})


def _metrics(file: ConfigFile) -> tuple[TaskMetrics, TaskDigests, list[str]]:
    """What the tasks of the objectives report, their digests, and what is wrong with them."""
    objectives, documents, scoring = (
        file[field] for field in ("objectives", "documents", "scoring")
    )
    if not objectives or documents is None or scoring is None or not file.reads("tasks"):
        return {}, {}, []
    folder = file.folder(file["tasks"]) if file["tasks"] else None
    try:
        _ = read_folder(folder) if folder else None
    except TaskError as error:
        return {}, {}, [f"tasks: {problem}" for problem in error.errors]
    settings = _suite(list(objectives.values()), folder, documents, scoring)
    try:
        suite = Suite(settings)
    except TaskError as error:
        metrics, problems = _one_by_one(settings, objectives, error)
        return metrics, {}, problems
    return suite.metrics(), suite.fingerprints, []


def _one_by_one(
    settings: SuiteSettings, objectives: Mapping[str, ObjectiveSettings], error: TaskError
) -> tuple[TaskMetrics, list[str]]:
    """What can still be known when some task is wrong, and what is wrong with which objective's."""
    found: dict[str, Mapping[str, bool | None]] = {}
    problems: dict[str, tuple[str, ...]] = {}
    for task in settings.tasks:
        try:
            found |= Suite(settings.model_copy(update={"tasks": (task,)})).metrics()
        except TaskError as single:
            problems[task] = single.errors
    placed = [
        f"objectives.{name}.{place}task: {problem}"
        for name, each in objectives.items()
        for place, one in each.metrics.items()
        for problem in problems.get(one.task, ())
    ]
    told = {problem for some in problems.values() for problem in some}
    return found, placed + [f"objectives: {p}" for p in error.errors if p not in told]


def _known(
    objectives: Mapping[str, ObjectiveSettings] | None, metrics: TaskMetrics
) -> dict[str, ObjectiveSettings]:
    """The objectives whose tasks could be loaded; the others are faults already."""
    given = objectives or {}
    return {
        name: each
        for name, each in given.items()
        if all(one.task in metrics for one in each.metrics.values())
    }


def _suite(
    objectives: list[ObjectiveSettings],
    folder: Path | None,
    documents: DocumentSettings,
    scoring: ScoringSettings,
) -> SuiteSettings:
    tasks = tuple(dict.fromkeys(one.task for each in objectives for one in each.metrics.values()))
    return SuiteSettings(tasks=tasks, folder=folder, documents=documents, **scoring.model_dump())

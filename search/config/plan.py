"""From a config file to a plan: every error that can be found before Ray starts is found here.

Heavy imports stay inside the functions, so that an unreadable file is reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.settings import SettingsError, suggestion
from evaluators.steps import begin_step, counted_steps
from search.config.chosen_texts import chosen_texts, text_errors
from search.config.file import ConfigFile
from search.config.recipes import read_recipes
from search.config.schema import Config, ConfigError
from search.config.stages import size_errors, stage_rules, tolerance_errors
from search.config.tasks import (
    LoadedTasks,
    TaskDigests,
    check_objectives,
    engine_errors,
    suite_settings,
    with_engine,
)
from search.samplers import Auto, Cmaes
from search.space import Space

if TYPE_CHECKING:
    from evaluators.tasks import SuiteSettings
    from search.driver import StageRules
    from search.objectives import Objective
    from workers.doctor import Finding
    from workers.recipe import Recipe, Source


@dataclass(frozen=True)
class Plan:
    """A valid config: its models can be merged, and its tasks and metrics exist."""

    config: Config
    base: Source
    models: Mapping[str, Source]
    objectives: list[Objective]
    space: Space
    suite: SuiteSettings
    warnings: list[Finding]
    recipes: Mapping[str, Recipe]
    """The user's own recipes, by name."""
    tasks: TaskDigests
    stages: StageRules


def make_plan(path: Path) -> Plan:
    """Reads and checks a config file.

    Errors that the file alone reveals are reported at once, before models and tasks are read, which
    takes seconds. Fingerprints, which need the whole models, are compared only if there is no
    other error.

    Raises:
        ConfigError: with every error in the file, or else every one in its models and tasks.
    """
    file = ConfigFile(path)
    file.errors += [
        *file.missing_paths(),
        *_sampler_errors(file),
        *_tokenizer_errors(file),
        *tolerance_errors(file),
        *_verdict_errors(file),
    ]
    if file.errors:
        raise ConfigError(path, file.errors)
    begin_step("reading the models")
    findings = _examine_models(file)
    begin_step("loading the tasks")
    objectives, tasks = check_objectives(file)
    file.errors += [str(finding) for finding in findings if finding.level == "error"]
    file.errors += [
        *tasks.errors,
        *engine_errors(file),
        *size_errors(file, tasks.staged),
        *text_errors(file),
    ]
    file.errors += _space_errors(file)
    config = file.resolved()
    config = config.model_copy(update={"scoring": with_engine(config.scoring, config.workers.gpus)})
    from workers.doctor import Finding

    warnings = [finding for finding in findings if finding.level == "warning"]
    warnings += [Finding("warning", "", message) for message in tasks.warnings]
    return _plan(path, config, objectives, tasks, warnings)


def _plan(
    path: Path,
    config: Config,
    objectives: list[Objective],
    tasks: LoadedTasks,
    warnings: list[Finding],
) -> Plan:
    from workers.checkpoint import open_checkpoint

    sources = {"base": config.base, **config.models}
    models = {
        name: _with_fingerprint(source)
        for name, source in counted_steps("taking the fingerprint of model", sources.items())
    }
    base = models.pop("base")
    layers = open_checkpoint(base).n_layers
    tokenizer = config.tokenizer.over(models) if config.tokenizer else None
    space = Space(
        tuple(config.methods),
        models,
        base,
        layers,
        config.space,
        config.seed,
        tokenizer,
        *chosen_texts(config, {"base": base, **models}),
    )
    try:
        recipes = read_recipes(config.recipes, space)
    except SettingsError as error:
        raise ConfigError(path, [*error.errors]) from None
    suite, objectives = suite_settings(config), _weighted(objectives, config)
    return Plan(
        config=config,
        base=base,
        models=models,
        objectives=objectives,
        space=space,
        suite=suite,
        warnings=warnings,
        recipes=recipes,
        tasks=tasks.digests,
        stages=stage_rules(config, tasks.staged),
    )


def _with_fingerprint(source: Source) -> Source:
    from workers.checkpoint import open_checkpoint

    return replace(source, fingerprint=open_checkpoint(source).fingerprint)


def _examine_models(file: ConfigFile) -> list[Finding]:
    from workers.doctor import examine

    sources = {name: file.source(each) for name, each in file["models"].items()}
    tokenizer = file["tokenizer"]
    in_place = with_engine(file["scoring"], file["workers"].gpus).engine != "vllm"
    return examine(file.source(file["base"]), sources, tokenizer=tokenizer, in_place=in_place)


def _tokenizer_errors(file: ConfigFile) -> list[str]:
    tokenizer, models = file["tokenizer"], file["models"]
    return list(tokenizer.errors(list(models))) if tokenizer and models else []


def _sampler_errors(file: ConfigFile) -> list[str]:
    objectives, sampler, prefer = (file[key] for key in ("objectives", "sampler", "prefer"))
    errors = []
    if isinstance(sampler, Cmaes) and len(objectives or {}) > 1:
        count = len(objectives)
        errors.append(f"sampler: cmaes needs one objective, not {count}; auto accepts any number")
    if sampler is not None and prefer not in (None, "front") and not isinstance(sampler, Auto):
        errors.append(f"prefer: only the sampler auto searches for a mean, not {sampler.type}")
    if isinstance(prefer, dict) and objectives:
        unknown = [name for name in prefer if name not in objectives]
        errors += [
            f"prefer.{name}: is not an objective; {suggestion(name, objectives)}"
            for name in unknown
        ]
    return errors


def _verdict_errors(file: ConfigFile) -> list[str]:
    """Why the verdict at the end of the search would be impossible."""
    objectives, documents, pick = (file[key] for key in ("objectives", "documents", "verdict"))
    errors = []
    best, _, name = (pick or "").partition(":")
    if best == "best" and objectives and name not in objectives:
        errors.append(f"verdict: {name!r} is not an objective; {suggestion(name, objectives)}")
    if pick and documents is not None and not documents.report:
        errors.append(
            "verdict: `documents` leaves no report documents; use {search: 0.6, selection: 0.2, "
            "report: 0.2}, or remove this key"
        )
    return errors


def _weighted(objectives: list[Objective], config: Config) -> list[Objective]:
    """The objectives with the weights that the config prefers."""
    if not isinstance(config.prefer, dict):
        return objectives
    weights = config.prefer
    return [replace(each, weight=weights.get(each.name, 0.0)) for each in objectives]


def _space_errors(file: ConfigFile) -> list[str]:
    """Every error in the space and the recipes that the headers of the models reveal."""
    if (space := _space_from_headers(file)) is None:
        return []
    errors: list[str] = []
    try:
        _ = space.axes
    except SettingsError as error:
        errors += error.errors
    try:
        read_recipes([file.absolute(recipe) for recipe in file["recipes"]], space)
    except SettingsError as error:
        errors += error.errors
    return errors


def _space_from_headers(file: ConfigFile) -> Space | None:
    """The space of models without fingerprints; None if their headers cannot be read."""
    from workers.checkpoint import open_headers

    base = file.source(file["base"])
    try:
        layers = open_headers(base).n_layers
    except ValueError:  # the doctor has reported it
        return None
    models = {name: file.source(each) for name, each in file["models"].items()}
    return Space(
        tuple(file["methods"]), models, base, layers, file["space"], tokenizer=file["tokenizer"]
    )

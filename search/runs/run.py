"""Creating a run, opening it, and continuing it if its trials stay comparable."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from evaluators.settings import SettingsError
from search.config import Config, ConfigFile, Plan, describe, make_plan, parse_config
from search.driver import Budget, wall_hours
from search.ledger import CONFIG, Ledger
from search.results import RunResults
from search.runs.inputs import changed_inputs, changed_keys, inputs, undo_or_restart
from search.runs.tracking import check_tracker


def begin_run(config: Path, *, resume: bool = False) -> tuple[Plan, Ledger, list[str] | None]:
    """The run that a config describes: a new one, or one that exists, to resume it.

    What the config and the folder alone tell is checked before models and tasks are read, which
    takes seconds.

    Returns:
        The plan, the ledger, and the changes that affect no score; None instead if it is new.

    Raises:
        ConfigError: if the config is invalid.
        ValueError: if there is a run and it is not to be resumed, or its trials would not be
            comparable, or the config's tracker is not installed.
    """
    file = ConfigFile(config)
    if file.config is not None and file.run is not None:
        check_tracker(file.config)
        if resume and Ledger.is_at(file.run):
            return resume_run(file.run, config)
        Ledger.check_free(file.run)
    plan = make_plan(config)
    return plan, create_run(plan), None


def create_run(plan: Plan) -> Ledger:
    """A new run folder for a plan.

    Raises:
        ValueError: if there is a run already, or the config's tracker is not installed.
    """
    config = plan.config
    check_tracker(config)
    header = {
        "name": config.name,
        "objectives": {each.name: each.to_dict() for each in plan.objectives},
        "budget": config.budget.model_dump(mode="json"),
        "inputs": inputs(plan),
    }
    return Ledger.create(config.run, header, config.to_yaml())


def open_run(root: str | Path) -> tuple[Plan, Ledger]:
    """An existing run, and its plan checked again: models or tasks may be gone.

    Raises:
        ValueError: if it is no run, or a model, task or metric is not there any more.
    """
    ledger = Ledger(root)
    plan = _plan_of(ledger)
    return replace(plan, config=_with_budget(plan.config, ledger)), ledger


def resume_run(root: str | Path, config: Path | None = None) -> tuple[Plan, Ledger, list[str]]:
    """A run to continue, if everything that decides its scores is unchanged.

    Args:
        root: of the run.
        config: a config to use instead of the run's own, and instead of a raised budget; the
            files that the run's own config names need not exist any more.

    Returns:
        The plan, the ledger, and the changes that affect no score.

    Raises:
        ValueError: if a model, task, document or key of the config has changed that matters.
    """
    changed, harmless = list[str](), list[str]()
    if config is None:
        plan, ledger = open_run(root)
    else:
        ledger = Ledger(root)
        plan = make_plan(config)
        own = _with_budget(parse_config(config_of(ledger), Path(CONFIG)), ledger)
        changed, harmless = changed_keys(own, plan.config)
    check_tracker(plan.config)
    if matters := changed_inputs(ledger.header["inputs"], plan) + changed:
        raise ValueError(
            f"{root} cannot be resumed, because its trials would not be comparable:\n"
            + "".join(f"  {each}\n" for each in matters)
            + undo_or_restart(root)
        )
    return plan, ledger, harmless


def results_of(ledger: Ledger, *, averages: bool = True) -> RunResults:
    """The results of a run, from its files alone.

    Args:
        ledger: of the run.
        averages: include the averages of trials that a verdict has tried, which no search knows.
    """
    trials = ledger.trials() + (ledger.averages() if averages else [])
    return RunResults.of(ledger.header["objectives"], trials)


def raised_budget(budget: Budget, limits: Mapping[str, float | None]) -> Budget:
    """A budget with new limits, where they are given.

    Raises:
        SettingsError: with every limit that is impossible.
    """
    given = {limit: value for limit, value in limits.items() if value is not None}
    try:
        return Budget.model_validate({**budget.model_dump(), **given})
    except ValidationError as error:
        raise SettingsError(describe(error, Budget)) from None


def budget_of(ledger: Ledger) -> Budget:
    """The current budget of a run, which may have been raised."""
    return Budget.model_validate(ledger.budget)


def reached_limit(ledger: Ledger, budget: Budget) -> str | None:
    """Which limit of a budget the run has reached, in words, or None; from its files alone."""
    results = results_of(ledger, averages=False)
    return budget.reached(results.trials, wall_hours(results.trials), results.objectives)


def config_of(ledger: Ledger) -> dict[str, Any]:
    """The resolved config of a run."""
    content: dict[str, Any] = yaml.safe_load(ledger.config)
    return content


def _plan_of(ledger: Ledger) -> Plan:
    if ledger.is_local:
        return make_plan(Path(ledger.root) / CONFIG)
    with tempfile.TemporaryDirectory() as folder:  # its paths are absolute: any folder will do
        copy = Path(folder) / CONFIG
        copy.write_text(ledger.config, encoding="utf-8")
        return make_plan(copy)


def _with_budget(config: Config, ledger: Ledger) -> Config:
    """The config with the current budget of a run."""
    return config.model_copy(update={"budget": budget_of(ledger)})

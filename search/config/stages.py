"""The stages of a config, checked against the tasks whose documents they divide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.settings import suggestion
from search.driver import StageRules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evaluators.stages import StagedTasks, StageSettings
    from search.config.file import ConfigFile
    from search.config.schema import Config
    from search.objectives import ObjectiveSettings


def tolerance_errors(file: ConfigFile) -> list[str]:
    """Every tolerance of something that is no objective."""
    stages, objectives = file["stages"], file["objectives"]
    if stages is None or not objectives:
        return []
    unknown = [name for name in stages.tolerance if name not in objectives]
    return [
        f"stages.tolerance.{name}: is not an objective; {suggestion(name, objectives)}"
        for name in unknown
    ]


def size_errors(file: ConfigFile, tasks: StagedTasks) -> list[str]:
    """Why there are no stages of these sizes, if the tasks could be loaded."""
    try:
        if tasks.documents:
            _sizes(file["stages"], file["objectives"], tasks)
    except ValueError as error:
        return [f"stages.{error}"]
    return []


def stage_rules(config: Config, tasks: StagedTasks) -> StageRules:
    """How the candidates of a valid config are scored in stages."""
    return StageRules(
        sizes=_sizes(config.stages, config.objectives, tasks),
        confidence=config.stages.confidence,
        tolerance=config.stages.tolerance,
        tasks=tasks,
        seed=config.seed,
    )


def _sizes(
    stages: StageSettings, objectives: Mapping[str, ObjectiveSettings], tasks: StagedTasks
) -> tuple[int, ...]:
    named = {one.task for each in objectives.values() for one in each.metrics.values()}
    return stages.sizes_for([tasks.size(task) for task in named], tasks.sampled)

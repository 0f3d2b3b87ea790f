"""The stages of a config, checked against the tasks whose documents they divide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.settings import suggestion
from search.driver import StageRules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from evaluators.stages import StagedTasks, StageSettings
    from search.config.file import ConfigFile
    from search.config.schema import Config
    from search.objectives import ObjectiveSettings


def stage_errors(file: ConfigFile, tasks: StagedTasks) -> Iterator[str]:
    """Every error in the stages, as far as the tasks could be loaded."""
    stages, objectives = file["stages"], file["objectives"]
    if stages is None or not objectives:
        return
    for name in stages.tolerance:
        if name not in objectives:
            hint = suggestion(name, objectives)
            yield f"stages.tolerance.{name}: is not an objective; {hint}"
    try:
        if tasks.documents:
            _sizes(stages, objectives, tasks)
    except ValueError as error:
        yield f"stages.{error}"


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

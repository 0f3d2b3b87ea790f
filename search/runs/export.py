"""A trial's model as an ordinary Hugging Face directory, bit for bit what was scored."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.evaluator import make_evaluator
from evaluators.scores import Conditions
from search.config import suite_settings
from workers.merge import merge

if TYPE_CHECKING:
    from search.config import Plan
    from search.ledger import Trial
    from search.objectives import Metric, Objective

SCORES = "scores.json"


@dataclass(frozen=True)
class Exported:
    """A model directory, and the command that scores it again."""

    path: Path
    recheck: list[str]
    random_fewshot: tuple[str, ...]
    """Tasks whose few-shot examples the command draws anew, and so scores differently."""

    @property
    def command(self) -> str:
        """The command as a shell line."""
        return shlex.join(self.recheck)


def export(
    plan: Plan,
    trial: Trial,
    out: Path,
    *,
    beside: Mapping[str, Trial] | None = None,
    force: bool = False,
) -> Exported:
    """Writes the model of a scored trial.

    Args:
        plan: the run.
        trial: a scored trial of it.
        out: the directory to make.
        beside: trials that the model card shows for comparison, by label.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` is there already and not to be replaced, or a model is gone.
        OSError: if the disk gives up on the way.
    """
    merge(
        trial.proposal.recipe,
        out,
        files=_files(trial),
        evidence=_evidence(plan, trial, beside or {}),
        force=force,
    )
    suite = make_evaluator(suite_settings(plan.config))
    conditions = Conditions(**trial.conditions) if trial.conditions else None
    command = suite.command(suite.documents["search"], out, conditions)
    return Exported(out, command, tuple(suite.random_fewshot))


def _files(trial: Trial) -> dict[str, str]:
    scores: dict[str, Any] = {
        "trial": trial.number,
        "digest": trial.proposal.recipe.digest,
        "documents": "search",
        "scores": dict(trial.scores),
    }
    return {SCORES: json.dumps(scores, indent=2) + "\n"}


def _evidence(plan: Plan, trial: Trial, beside: Mapping[str, Trial]) -> str:
    """The scores as a section of the model card."""
    columns = {"this model": trial, **beside}
    lines = [
        f"| objective | better | {' | '.join(columns)} |",
        f"|---|---|{'---|' * len(columns)}",
        *(_scores(each, list(columns.values())) for each in plan.objectives),
    ]
    intro = (
        f"Trial {trial.number} of a search with seed {plan.config.seed}, scored with the LM "
        "Evaluation Harness on the documents that it was picked on, so these numbers flatter it."
    )
    return "\n".join(["## Scores", "", intro, "", *lines, ""])


def _scores(objective: Objective, trials: Sequence[Trial]) -> str:
    better = "more" if objective.direction == "maximize" else "less"
    values = " | ".join(f"{trial.scores[objective.name]:.4f}" for trial in trials)
    what = " + ".join(_metric(each, objective) for each in objective.metrics)
    return f"| {objective.name} ({what}) | {better} | {values} |"


def _metric(metric: Metric, objective: Objective) -> str:
    share = f"{metric.weight:g} " if len(objective.metrics) > 1 else ""
    return f"{share}`{metric.task}`, {metric.key}"

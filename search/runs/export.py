"""A trial's model as an ordinary Hugging Face directory, bit for bit what was scored."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.evaluator import make_evaluator
from evaluators.scores import Conditions
from search.config import suite_settings
from search.runs.evidence import evidence_of
from workers.merge import merge

if TYPE_CHECKING:
    from search.config import Plan
    from search.ledger import Trial
    from search.runs.verdict import RunVerdict

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
    verdict: RunVerdict | None = None,
    force: bool = False,
) -> Exported:
    """Writes the model of a scored trial.

    Args:
        plan: the run.
        trial: a scored trial of it.
        out: the directory to make.
        beside: trials that the model card shows for comparison, by label.
        verdict: on this trial; its scores are on unseen documents, so they come first in the card.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` is there already and not to be replaced, or a model is gone.
        OSError: if the disk gives up on the way.
    """
    merge(
        trial.proposal.recipe,
        out,
        files=_files(trial),
        evidence=evidence_of(plan, trial, beside or {}, verdict),
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

"""A trial's model as an ordinary Hugging Face directory, bit for bit what was scored."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.suite import Suite
from search.preflight import suite_settings
from workers.merge import merge

if TYPE_CHECKING:
    from search.preflight import Plan
    from search.trial import Trial

SCORES = "scores.json"


@dataclass(frozen=True)
class Exported:
    """A model directory, and the command that scores it again."""

    path: Path
    recheck: list[str]

    @property
    def command(self) -> str:
        """The command as a shell line."""
        return shlex.join(self.recheck)


def export(prepared: Plan, trial: Trial, out: Path, *, force: bool = False) -> Exported:
    """Writes the model of a scored trial.

    Raises:
        ValueError: if `out` is there already and not to be replaced.
    """
    merge(trial.proposal.recipe, out, files=_files(trial), force=force)
    suite = Suite(suite_settings(prepared.config))
    return Exported(out, suite.command(suite.documents["search"], out.resolve()))


def _files(trial: Trial) -> dict[str, str]:
    scores: dict[str, Any] = {
        "trial": trial.number,
        "digest": trial.proposal.recipe.digest,
        "documents": "search",
        "scores": dict(trial.scores),
    }
    return {SCORES: json.dumps(scores, indent=2) + "\n"}

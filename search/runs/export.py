"""A trial's model as an ordinary Hugging Face directory, by default bit for bit what was scored."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.evaluator import make_evaluator
from evaluators.scores import Conditions
from search.config import suite_settings

if TYPE_CHECKING:
    from search.config import Plan
    from search.ledger import Trial
    from search.runs.verdict import RunVerdict
    from workers.recipe import Recipe

SCORES = "scores.json"
OTHER_DTYPE = (
    "The scores are of the weights in {scored}. These weights are in {dtype}, so they are not bit "
    "for bit what was scored, and their scores may differ."
)


@dataclass(frozen=True)
class Exported:
    """A model directory, and the command that scores it again."""

    path: Path
    recheck: list[str]
    random_fewshot: tuple[str, ...]
    """Tasks whose few-shot examples the command draws anew, and so scores differently."""
    note: str = ""
    """What a user should know of the scores; empty if the weights are those that were scored."""
    in_parts: bool = False
    """Whether the scores are of several scorings, so that the last bits of the command's differ."""

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
    dtype: str | None = None,
    shard_bytes: int = 5 * 10**9,
    force: bool = False,
) -> Exported:
    """Writes the model of a scored trial.

    Args:
        plan: the run.
        trial: a scored trial of it.
        out: the directory to make.
        beside: trials that the model card shows for comparison, by label.
        verdict: on this trial; its scores are on unseen documents, so they come first in the card.
        dtype: another one than that of the scored weights: float32, float16 or bfloat16.
        shard_bytes: of tensors in a file, unless a single one is larger.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` is there already and not to be replaced, a model is gone, or the
            weights are too large for float16.
        OSError: if the disk gives up on the way.
    """
    from search.runs.evidence import evidence_of
    from workers.merge import merge  # imports torch

    recipe, note = _in_dtype(trial.proposal.recipe, dtype)
    merge(
        recipe,
        out,
        files=_files(trial),
        evidence=evidence_of(plan, trial, beside or {}, verdict, note),
        force=force,
        shard_bytes=shard_bytes,
    )
    suite = make_evaluator(suite_settings(plan.config))
    conditions = Conditions(**trial.conditions) if trial.conditions else None
    command = suite.command(suite.documents["search"], out, conditions)
    in_parts = conditions is not None and conditions.parts > 1
    return Exported(out, command, tuple(suite.random_fewshot), note, in_parts)


def _in_dtype(recipe: Recipe, dtype: str | None) -> tuple[Recipe, str]:
    """The recipe in this dtype; and a note for readers of its scores if that is another one."""
    from workers.checkpoint import open_headers  # imports torch

    scored = recipe.dtype or open_headers(next(iter(recipe.sources.values()))).dtype
    if dtype in (None, scored):
        return recipe, ""
    return replace(recipe, dtype=dtype), OTHER_DTYPE.format(scored=scored, dtype=dtype)


def _files(trial: Trial) -> dict[str, str]:
    scores: dict[str, Any] = {
        "trial": trial.number,
        "digest": trial.proposal.recipe.digest,
        "documents": "search",
        "scores": dict(trial.scores),
    }
    return {SCORES: json.dumps(scores, indent=2) + "\n"}

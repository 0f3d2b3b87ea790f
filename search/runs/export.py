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
from search.runs.export_settings import check_dtype
from workers.new_path import write_whole
from workers.recipe import Source

if TYPE_CHECKING:
    from evaluators.evaluator import Evaluator
    from search.config import Plan
    from search.ledger import Trial
    from search.runs.verdict import RunVerdict
    from workers.recipe import Recipe

SCORES = "scores.json"
SCRIPT = ".rescore.sh"
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
OTHER_DTYPE = (
    "The scores are of the weights in {scored}. These weights are in {dtype}, so they are not bit "
    "for bit what was scored, and their scores may differ."
)

ADAPTER = (
    "The scores are of the whole merged model. The adapter gives its weights up to rounding, not "
    "bit for bit."
)


@dataclass(frozen=True)
class Exported:
    """A model directory or an adapter's, and the command that scores it again."""

    path: Path
    source: Source
    """The model: the directory, or a base with the adapter in it."""
    recheck: list[str]
    random_fewshot: tuple[str, ...]
    """Tasks whose few-shot examples the command draws anew, and so scores differently."""
    note: str = ""
    """What a user should know of the scores; empty if the weights are those that were scored."""
    warnings: tuple[str, ...] = ()
    """Where the models have other chat templates or generation configs than the merged one."""
    in_parts: bool = False
    """Whether the scores are of several scorings, so that the last bits of the command's differ."""

    @property
    def command(self) -> str:
        """The command as a shell line."""
        return shlex.join(self.recheck)

    def write_command(self) -> Path:
        """Writes the command, which names each document, to a script beside the model.

        Raises:
            OSError: if the file cannot be written.
        """
        file = self.path.absolute().with_name(f"{self.path.absolute().name}{SCRIPT}")
        text = f"# scores {self.path} again, as it was scored\n{self.command}\n"
        write_whole(file, text.encode())
        return file


def export(
    plan: Plan,
    trial: Trial,
    out: Path,
    *,
    beside: Mapping[str, Trial] | None = None,
    verdict: RunVerdict | None = None,
    dtype: str | None = None,
    shard_bytes: int = 5 * 10**9,
    adapter: bool = False,
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
        adapter: write a merge of LoRA adapters as a LoRA adapter.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` is there already and not to be replaced, a model is gone, the
            weights are too large for float16, the merge is no adapter, or one in another dtype.
        OSError: if the disk gives up on the way.
    """
    from search.runs.evidence import evidence_of
    from workers.inherited import inherited
    from workers.merge import merge  # imports torch
    from workers.merge_adapter import merge_adapter

    check_dtype(dtype, adapter=adapter)
    recipe, note = _in_dtype(trial.proposal.recipe, dtype)
    note = ADAPTER if adapter else note
    files, evidence = _files(trial), evidence_of(plan, trial, beside or {}, verdict, note)
    if adapter:
        source = merge_adapter(recipe, out, files=files, evidence=evidence, force=force)
    else:
        source = Source(str(out.absolute()))
        merge(recipe, out, files=files, evidence=evidence, force=force, shard_bytes=shard_bytes)
    suite = make_evaluator(suite_settings(plan.config))
    command = _command(suite, source, trial)
    differ = tuple(each.sentence for each in inherited(recipe, adapter=adapter) if each.others)
    in_parts = trial.conditions is not None and Conditions(**trial.conditions).parts > 1
    return Exported(
        out, source, command, tuple(suite.random_fewshot), note, warnings=differ, in_parts=in_parts
    )


def _command(suite: Evaluator, source: Source, trial: Trial) -> list[str]:
    """The command that scores a model again, of a base with an adapter if there is one."""
    from workers.checkpoint import open_adapter, open_headers  # imports torch

    conditions = Conditions(**trial.conditions) if trial.conditions else None
    folder = open_headers(source).path
    found = suite.command(suite.documents["search"], folder, conditions)
    if source.adapter is None:
        return found
    more = f",peft={source.adapter}"
    if conditions and conditions.engine != "hf":
        rank = vllm_rank(open_adapter(source.adapter).rank)
        more = f",lora_local_path={source.adapter},max_lora_rank={rank}"
    return [f"{each}{more}" if each.startswith("pretrained=") else each for each in found]


def vllm_rank(rank: int) -> int:
    """The least maximal rank that vLLM takes for an adapter of this rank; it refuses more than 512.

    >>> vllm_rank(9), vllm_rank(16), vllm_rank(600)
    (16, 16, 600)
    """
    return next((each for each in VLLM_RANKS if each >= rank), rank)


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

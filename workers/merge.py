"""Merges a recipe into a Hugging Face directory, with the same bytes that a worker scores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.steps import begin_step
from workers import mergekit
from workers.checkpoint import (
    SHARD_BYTES,
    Checkpoint,
    align,
    check_memory,
    load_model,
    open_checkpoint,
    open_headers,
    retokenize,
    write_model,
)
from workers.doctor import Finding, examine
from workers.evidence import Evidence
from workers.merge_stream import stream
from workers.merging import Engine, MergeSettings
from workers.model_card import card
from workers.recipe import Recipe, Source

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

RECIPE, MERGEKIT, CARD = "recipe.json", "mergekit_config.yml", "README.md"


def check(recipe: Recipe) -> list[Finding]:
    """The doctor's warnings.

    Raises:
        ValueError: with every error that prevents the merge.
    """
    models = {name: source for name, source in recipe.token_sources.items() if name != "base"}
    findings = examine(recipe.base, models, live=False, tokenizer=recipe.tokenizer)
    if errors := [str(finding) for finding in findings if finding.level == "error"]:
        raise ValueError("\n".join(["these models cannot be merged:", *(f"  {e}" for e in errors)]))
    return findings


def merge(
    recipe: Recipe,
    out: Path,
    *,
    files: Mapping[str, str] | None = None,
    evidence: Evidence | None = None,
    force: bool = False,
    shard_bytes: int = SHARD_BYTES,
) -> list[Finding]:
    """Merges tensor by tensor into a new directory; returns the doctor's warnings.

    Args:
        recipe: what to merge.
        out: the directory to make; it appears complete or not at all.
        files: additional text files by name.
        evidence: how good the model is, for the model card.
        force: replace `out` if it exists.
        shard_bytes: of tensors in a file, unless a single one is larger.

    Raises:
        ValueError: if `out` exists without `force`, or a model is missing, damaged, does not fit
            the others, or has changed since the recipe was made.
        OSError: if writing fails.
    """
    begin_step("reading the models")
    warnings = check(recipe)
    opened = _aligned(recipe)
    like = _like(opened)
    begin_step(f"merging into {out}")
    write_model(
        out,
        stream(recipe, {name: opened[name] for name in recipe.sources}),
        like=like,
        dtype=recipe.dtype or like.dtype,
        files={
            **recipe_files(recipe),
            CARD: card(recipe, opened, evidence, title=out.resolve().name),
            **(files or {}),
        },
        force=force,
        shard_bytes=shard_bytes,
    )
    return warnings


def recipe_files(recipe: Recipe) -> dict[str, str]:
    """The files of a directory that say how its weights were made: ours, and mergekit's."""
    return {
        RECIPE: json.dumps(recipe.to_dict(), indent=2) + "\n",
        MERGEKIT: mergekit.write(recipe),
    }


def merged_model(recipe: Recipe, device: torch.device) -> PreTrainedModel:
    """The model of a recipe in memory, with the weights that `merge` writes.

    Raises:
        ValueError: as `merge`.
    """
    opened = _aligned(recipe)
    like = _like(opened)
    if device.type == "cpu":
        check_memory(like)
    live = load_model(like, device=str(device))
    models = {name: opened[name] for name in recipe.sources}
    base = models.pop("base", None)
    settings = MergeSettings(mode="eager", placement="mapped", statistics="asked")
    Engine(models, base, settings=settings, device=device).apply(recipe, live)
    return live


def explain(recipe: Recipe) -> list[tuple[Sequence[str], Mapping[str, object]]]:
    """Tensors with equal parameters: their names and parameters, in order of the checkpoint.

    Raises:
        ValueError: if a model cannot be read.
    """
    like = _like(align({name: open_checkpoint(s) for name, s in recipe.sources.items()}))
    groups: dict[str, tuple[list[str], Mapping[str, object]]] = {}
    for tensor in like.tensors:
        parameters = recipe.parameters(tensor, like.n_layers)
        key = json.dumps(parameters, default=dict, sort_keys=True)
        groups.setdefault(key, ([], parameters))[0].append(tensor)
    return list(groups.values())


def tensor_sizes(recipe: Recipe) -> tuple[dict[str, int], int]:
    """The entries of every merged tensor, and the number of layers.

    Raises:
        ValueError: if a model cannot be read.
    """
    like = _like(align({name: open_headers(s) for name, s in recipe.sources.items()}))
    entries = {name: math.prod(info.shape) for name, info in like.tensors.items()}
    return entries, like.n_layers


def _aligned(recipe: Recipe) -> dict[str, Checkpoint]:
    """The models of a recipe by name, with one vocabulary and equal shapes."""
    found = {name: open_verified(source) for name, source in recipe.token_sources.items()}
    return align(
        retokenize(found, recipe.tokenizer, recipe.chat_template, recipe.generation_config)
    )


def _like(opened: Mapping[str, Checkpoint]) -> Checkpoint:
    return next(iter(opened.values()))


def open_verified(source: Source) -> Checkpoint:
    """A model of a recipe.

    Raises:
        ValueError: if it cannot be read, or has changed since the recipe was made.
    """
    checkpoint = open_checkpoint(source)
    if source.fingerprint and source.fingerprint != checkpoint.fingerprint:
        raise ValueError(
            f"{source}: its content has fingerprint {checkpoint.fingerprint}, the recipe was made "
            f"for {source.fingerprint}; find that version of the model, or remove the fingerprint "
            "from the recipe to merge this one"
        )
    return checkpoint

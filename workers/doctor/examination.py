"""Examines a set of models by their headers, configs and tokenizer files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from evaluators.steps import begin_step, counted_steps
from workers.checkpoint import (
    UNKNOWN_LICENCE,
    Checkpoint,
    licence_of,
    normalised_config,
    open_headers,
    with_names_of,
)
from workers.doctor.configs import compare_configs
from workers.doctor.finding import Finding
from workers.doctor.generation import compare_generation
from workers.doctor.single_model import check_model
from workers.doctor.tensors import compare_tensors
from workers.doctor.vocabulary import check_vocabularies, compare_vocabularies
from workers.recipe import Source, TokenizerChoice


def examine(
    base: Source | None,
    models: Mapping[str, Source],
    *,
    live: bool = True,
    in_place: bool = True,
    tokenizer: TokenizerChoice | None = None,
) -> list[Finding]:
    """Errors that prevent a merge of these models, and warnings about their differences.

    Args:
        base: the model to compare with; without it, the first model.
        models: the models by name.
        live: whether they are merged into a live model, as in a search.
        in_place: whether into one of transformers, whose tensors must be those of the files.
        tokenizer: the chosen vocabulary; without it, rows must mean the same tokens.
    """
    sources = {**({"base": base} if base else {}), **models}
    findings = list(_duplicates(sources))
    opened: dict[str, Checkpoint] = {}
    configs: dict[str, Mapping[str, Any]] = {}
    for name, source in counted_steps("reading model", sources.items()):
        try:
            checkpoint = opened[name] = open_headers(source)
        except ValueError as error:
            findings.append(Finding("error", name, _named(name, str(error))))
            continue
        found = list(check_model(name, checkpoint, live=live, in_place=live and in_place))
        findings += found
        if not any(finding.level == "error" for finding in found):
            tie = {"tie_word_embeddings": checkpoint.tied}  # the files decide, not the config
            configs[name] = {**normalised_config(checkpoint), **tie}
    if len(opened) > 1:
        begin_step("comparing the models")
    findings += _compared(opened, configs, tokenizer)
    if tokenizer is not None and len(configs) == len(sources):
        findings += check_vocabularies(opened, tokenizer)
    return findings


def _compared(
    opened: Mapping[str, Checkpoint],
    configs: Mapping[str, Mapping[str, Any]],
    tokenizer: TokenizerChoice | None,
) -> Iterator[Finding]:
    readable = [name for name in opened if name in configs]
    yield from chain.from_iterable(_towers(name, opened[name]) for name in readable[:1])
    for name in readable[1:]:
        first = readable[0]
        ours, theirs = with_names_of(opened[name], opened[first]), opened[first]
        yield from _licences(name, ours, first, theirs)
        yield from compare_configs(name, ours, configs[name], first, configs[first])
        if configs[name]["model_type"] == configs[first]["model_type"]:
            yield from compare_tensors(name, ours, first, theirs)
            yield from compare_vocabularies(name, ours, first, theirs, tokenizer)
            yield from compare_generation(name, ours, first, theirs, tokenizer)


def _towers(name: str, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Says of the model that gives the config that its towers are in every merged model."""
    if checkpoint.towers:
        parts = ", ".join(sorted({_part(tensor) for tensor in checkpoint.towers}))
        yield Finding(
            "warning",
            name,
            f"{checkpoint.path}: only the language model of a {checkpoint.config['model_type']} is "
            f"merged; the merged model has {name}'s {parts}",
        )


def _part(tensor: str) -> str:
    """The name of the tower that a tensor is of.

    >>> _part("model.vision_tower.layers.0.weight"), _part("visual.merger.weight")
    ('vision_tower', 'visual')
    """
    return tensor.removeprefix("model.").partition(".")[0]


def _licences(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    ours, theirs = licence_of(checkpoint.path), licence_of(other.path)
    if ours != theirs and UNKNOWN_LICENCE not in (ours, theirs):
        yield Finding(
            "warning",
            name,
            f"{checkpoint.path / 'README.md'}: license is {ours}, {other_name} has {theirs}; the "
            "terms of both apply to the merged model",
        )


def _duplicates(sources: Mapping[str, Source]) -> Iterator[Finding]:
    names: dict[str, str] = {}
    for name, source in sources.items():
        first = names.setdefault(str(source), name)
        if first not in (name, "base"):
            yield Finding("warning", name, f"{source} is the same model as {first}")


def _named(name: str, message: str) -> str:
    return f"base: {message}" if name == "base" else message

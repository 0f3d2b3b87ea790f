"""Can these models be merged? From headers, configs and tokenizer files alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workers.checkpoint.reading import Checkpoint, open_checkpoint
from workers.recipe import Source

MUST_AGREE = (  # a model with another value computes something else from the same tensors
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "tie_word_embeddings",
)
SHOULD_AGREE = ("rope_theta", "rope_parameters", "rope_scaling", "rms_norm_eps", "vocab_size")


@dataclass(frozen=True)
class Finding:
    """Something about a model that an expert would point at."""

    level: Literal["error", "warning"]
    model: str
    message: str

    def __str__(self) -> str:
        return f"models.{self.model}: {self.message}" if self.model != "base" else self.message


def examine(base: Source, models: Mapping[str, Source]) -> list[Finding]:
    """Every reason why these models cannot be merged, and everything that needs a choice."""
    opened: dict[str, Checkpoint] = {}
    findings: list[Finding] = []
    for name, source in {"base": base, **models}.items():
        try:
            opened[name] = open_checkpoint(source)
        except ValueError as error:
            where = "base: " if name == "base" else ""
            findings.append(Finding("error", name, f"{where}{error}"))
    reference_name = "base" if "base" in opened else next(iter(opened), "")
    for name, checkpoint in opened.items():
        findings += _alone(name, checkpoint)
        if name != reference_name:
            findings += _compared(name, checkpoint, reference_name, opened[reference_name])
    return findings


def _alone(name: str, checkpoint: Checkpoint) -> Iterator[Finding]:
    for key, why in (
        ("quantization_config", "is quantised; merge the weights it was quantised from"),
        ("auto_map", "runs code of its own (auto_map); only transformers' own models are merged"),
    ):
        if key in checkpoint.config:
            yield Finding("error", name, f"{checkpoint.path / 'config.json'}: {why}")


def _compared(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    def differ(field: str, ours: Any, theirs: Any) -> str:
        where = checkpoint.path / "config.json"
        return f"{where}: {field} is {ours!r}, {other_name} has {theirs!r}"

    for level, keys in (("error", MUST_AGREE), ("warning", SHOULD_AGREE)):
        for key in keys:
            ours, theirs = checkpoint.config.get(key), other.config.get(key)
            if ours != theirs:
                yield Finding(level, name, differ(key, ours, theirs))  # type: ignore[arg-type]
    yield from _tensors(name, checkpoint, other_name, other)
    if _tokenizer(checkpoint) != _tokenizer(other):
        yield Finding(
            "warning",
            name,
            f"{checkpoint.path / 'tokenizer.json'}: another tokenizer than {other_name}'s; "
            f"the merged model takes {other_name}'s",
        )


def _tensors(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    ours, theirs = checkpoint.tensors, other.tensors
    for who, missing in ((name, theirs.keys() - ours.keys()), (other_name, ours.keys() - theirs)):
        if missing:
            yield Finding(
                "error",
                name,
                f"{checkpoint.path}: {who} has no tensor {min(missing)!r}"
                + (f", nor {len(missing) - 1} others" if len(missing) > 1 else ""),
            )
    shapes = [key for key in ours if key in theirs and ours[key].shape != theirs[key].shape]
    if shapes:
        key = shapes[0]
        yield Finding(
            "error",
            name,
            f"{checkpoint.path}: {key} is {list(ours[key].shape)}, {other_name} has "
            f"{list(theirs[key].shape)}"
            + (f" ({len(shapes) - 1} other tensors differ too)" if len(shapes) > 1 else ""),
        )


def _tokenizer(checkpoint: Checkpoint) -> str:
    """Digest of what a tokenizer does; padding and truncation change with use and do not count."""
    file = checkpoint.path / "tokenizer.json"
    if not file.is_file():
        return ""
    content = json.loads(file.read_text(encoding="utf-8"))
    kept = {key: content[key] for key in content if key not in ("padding", "truncation")}
    return hashlib.blake2b(json.dumps(kept, sort_keys=True).encode()).hexdigest()

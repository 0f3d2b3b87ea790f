"""Compares the settings that models generate text with."""

from __future__ import annotations

from collections.abc import Iterator

from workers.checkpoint import Checkpoint, generation_settings
from workers.doctor.finding import Finding
from workers.recipe import UNION, TokenizerChoice


def compare_generation(
    name: str,
    checkpoint: Checkpoint,
    other_name: str,
    other: Checkpoint,
    tokenizer: TokenizerChoice | None,
) -> Iterator[Finding]:
    """A warning that names the settings in which two models differ."""
    ours, theirs = generation_settings(checkpoint), generation_settings(other)
    keys = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    if not keys:
        return
    is_other = tokenizer is None or tokenizer.source in ("base", UNION)
    chosen = other_name if is_other or tokenizer is None else tokenizer.source
    said = ", ".join(
        f"{key} is {_text(ours.get(key))} ({other_name}: {_text(theirs.get(key))})" for key in keys
    )
    yield Finding(
        "warning",
        name,
        f"{checkpoint.generation_path / 'generation_config.json'}: differs from {other_name}'s: "
        f"{said}; the merged model uses {chosen}'s, unless `generation_config` names another",
    )


def _text(value: object) -> str:
    return "not set" if value is None else repr(value)

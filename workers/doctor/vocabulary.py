"""Compares vocabularies and tokenizers by their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.wording import counted
from workers.checkpoint import Checkpoint, read_json
from workers.doctor.finding import Finding

TOKENIZER, SETTINGS, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
_STEPS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")
_SWITCHES = ("add_bos_token", "add_eos_token")


@dataclass(frozen=True)
class Vocabulary:
    """The parts of a tokenizer that a merge depends on."""

    file: Path
    ids: Mapping[str, int]
    rules: Mapping[str, str]
    """Digest of each step of the tokenizer."""
    special: Mapping[str, Any]
    template: str

    @property
    def size(self) -> int:
        """The largest id plus one."""
        return max(self.ids.values(), default=-1) + 1


def vocabulary(checkpoint: Checkpoint) -> Vocabulary | None:
    """A model's vocabulary; None where it has no `tokenizer.json`.

    Raises:
        ValueError: if the file is damaged.
    """
    file = checkpoint.tokenizer_path / TOKENIZER
    if not file.is_file():
        return None
    content = read_json(file)
    settings = {}
    if (checkpoint.tokenizer_path / SETTINGS).is_file():
        settings = read_json(checkpoint.tokenizer_path / SETTINGS)
    try:
        ids = _ids(content)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{file}: contains no vocabulary; download it again") from None
    model = {k: v for k, v in content["model"].items() if k != "vocab"}
    parts = {**{step: content.get(step) for step in _STEPS}, "model": model}
    return Vocabulary(
        file=file,
        ids=ids,
        rules={name: _digest(part) for name, part in parts.items()},
        special={key: _text(settings.get(key)) for key in (*_TOKENS, *_SWITCHES)},
        template=_template(checkpoint.tokenizer_path, settings),
    )


def compare_vocabularies(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    """Findings about the differences in rows, tokens, rules and chat templates."""
    ours, theirs = vocabulary(checkpoint), vocabulary(other)
    if ours is None or theirs is None:
        yield from _rows_without_tokenizer(name, checkpoint, other_name, other)
        return
    clash = next((t for t, i in ours.ids.items() if theirs.ids.get(t, i) != i), None)
    names = {i: token for token, i in theirs.ids.items()}
    moved = next((t for t, i in ours.ids.items() if names.get(i, t) != t), None)
    if (token := clash or moved) is not None:
        row = ours.ids[token]
        yield Finding(
            "error",
            name,
            f"{ours.file}: token {token!r} is row {row}, in {other_name} that row is "
            f"{names.get(row)!r}; rows of different tokens cannot be merged: choose models that "
            "share a vocabulary",
        )
        return
    yield from _rows(name, checkpoint, ours, other_name, other, theirs)
    yield from _behaviour(name, ours, other_name, theirs)


def _rows_without_tokenizer(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    rows = checkpoint.vocabulary_rows, other.vocabulary_rows
    if rows[0] != rows[1]:
        yield Finding(
            "error",
            name,
            f"{checkpoint.path}: vocab_size is {rows[0]}, {other_name} has {rows[1]}, and without "
            f"{TOKENIZER} of both it is unknown which rows are padding",
        )


def _rows(
    name: str,
    checkpoint: Checkpoint,
    ours: Vocabulary,
    other_name: str,
    other: Checkpoint,
    theirs: Vocabulary,
) -> Iterator[Finding]:
    rows, base_rows = checkpoint.vocabulary_rows or 0, other.vocabulary_rows or 0
    more, fewer = ours.ids.keys() - theirs.ids, theirs.ids.keys() - ours.ids
    if rows != base_rows:
        used = max(ours.size, theirs.size)
        difference = f"{checkpoint.config_file}: vocab_size is {rows}, {other_name} has {base_rows}"
        if used > min(rows, base_rows):
            yield Finding(
                "error",
                name,
                f"{difference}, and {used} rows are tokens, not padding; resize the "
                "embeddings of one model first (resize_token_embeddings)",
            )
            return
        yield Finding("warning", name, f"{difference}; rows beyond {used} are padding")
    for who, tokens in ((name, more), (other_name, fewer)):
        if tokens:
            both = {**ours.ids, **theirs.ids}
            first = min(tokens, key=both.__getitem__)
            yield Finding(
                "warning",
                name,
                f"{ours.file}: {who} has {counted(len(tokens), 'token')} that the other lacks "
                f"({first!r}); the merged model uses {other_name}'s tokenizer",
            )


def _behaviour(
    name: str, ours: Vocabulary, other_name: str, theirs: Vocabulary
) -> Iterator[Finding]:
    different = [step for step in ours.rules if ours.rules[step] != theirs.rules[step]]
    if different:
        yield Finding(
            "warning",
            name,
            f"{ours.file}: {', '.join(different)} differ from {other_name}'s: another tokenizer; "
            f"the merged model uses {other_name}'s",
        )
    for key, value in ours.special.items():
        if value != theirs.special[key]:
            yield Finding(
                "warning",
                name,
                f"{ours.file.parent / SETTINGS}: {key} is {value!r}, {other_name} has "
                f"{theirs.special[key]!r}; the merged model uses {other_name}'s",
            )
    if ours.template != theirs.template:
        yield Finding(
            "warning",
            name,
            f"{ours.file.parent}: its chat template differs from {other_name}'s"
            f"{'' if theirs.template else ', which has none'}; the merged model uses "
            f"{other_name}'s, unless the recipe's `tokenizer` names another",
        )


def _ids(content: Mapping[str, Any]) -> dict[str, int]:
    vocab = content["model"]["vocab"]
    ids = vocab if isinstance(vocab, dict) else {piece[0]: i for i, piece in enumerate(vocab)}
    added = {str(each["content"]): int(each["id"]) for each in content.get("added_tokens", [])}
    return {**ids, **added}


def _template(folder: Path, settings: Mapping[str, Any]) -> str:
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8")
    return json.dumps(settings["chat_template"]) if settings.get("chat_template") else ""


def _text(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode()).hexdigest()

"""Compares vocabularies and tokenizers by their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evaluators.wording import counted
from workers.checkpoint import Checkpoint, Vocabulary, merge_vocabularies, vocabulary
from workers.doctor.finding import Finding
from workers.doctor.tokenizer import without_tokenizer
from workers.recipe import UNION, TokenizerChoice

_FIX = (
    "set `tokenizer: union` to merge the tokens of all models, matched by name (or `tokenizer: "
    "base`, or a model's name)"
)


def compare_vocabularies(
    name: str,
    checkpoint: Checkpoint,
    other_name: str,
    other: Checkpoint,
    tokenizer: TokenizerChoice | None,
) -> Iterator[Finding]:
    """Findings about the differences in rows, tokens, rules and chat templates.

    With a chosen tokenizer, rows are matched by token, so that they may differ.
    """
    ours, theirs = vocabulary(checkpoint), vocabulary(other)
    if tokenizer is not None:
        chosen = other_name if tokenizer.source in ("base", UNION) else tokenizer.source
        if ours and theirs:
            yield from _behaviour(name, ours, other_name, theirs, chosen)
        return
    if ours is None or theirs is None:
        yield from without_tokenizer(name, checkpoint, other_name, other)
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
            f"share a vocabulary, or {_FIX}",
        )
        return
    yield from _rows(name, checkpoint, ours, other_name, other, theirs)
    yield from _behaviour(name, ours, other_name, theirs, other_name)


def check_vocabularies(
    models: Mapping[str, Checkpoint], tokenizer: TokenizerChoice
) -> Iterator[Finding]:
    """An error if the models cannot have the chosen vocabulary."""
    try:
        merge_vocabularies(models, tokenizer)
    except ValueError as error:
        yield Finding("error", "base", str(error))


def _rows_without_tokenizer(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    rows = checkpoint.vocabulary_rows, other.vocabulary_rows
    if rows[0] != rows[1]:
        yield Finding(
            "error",
            name,
            f"{checkpoint.path}: vocab_size is {rows[0]}, {other_name} has {rows[1]}, and without "
            "tokenizer.json of both it is unknown which rows are padding",
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
                f"{difference}, and {used} rows are tokens, not padding; {_FIX}",
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
    name: str, ours: Vocabulary, other_name: str, theirs: Vocabulary, chosen: str
) -> Iterator[Finding]:
    different = [step for step in ours.rules if ours.rules[step] != theirs.rules[step]]
    if different:
        yield Finding(
            "warning",
            name,
            f"{ours.file}: {', '.join(different)} differ from {other_name}'s: another tokenizer; "
            f"the merged model uses {chosen}'s",
        )
    for key, value in ours.special.items():
        if value != theirs.special[key]:
            yield Finding(
                "warning",
                name,
                f"{ours.settings_file}: {key} is {value!r}, {other_name} has "
                f"{theirs.special[key]!r}; the merged model uses {chosen}'s",
            )
    if ours.template != theirs.template:
        yield Finding(
            "warning",
            name,
            f"{ours.file.parent}: its chat template differs from {other_name}'s"
            f"{'' if theirs.template else ', which has none'}; the merged model uses "
            f"{chosen}'s, unless `chat_template` or `tokenizer` names another",
        )

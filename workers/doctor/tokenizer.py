"""Whether the base has a tokenizer that works; transformers makes an empty one of no files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workers.checkpoint import Checkpoint, encoded_by_file, load_tokenizer
from workers.doctor.finding import Finding

KINDS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))
"""The files of each kind of tokenizer; one kind is enough."""
SAMPLE = "The 12 quick  foxes: don't (jump)\n over 3.5 dogs!"
FIX = (
    "copy the tokenizer files of the model that it was trained from (tokenizer.json, "
    "tokenizer_config.json, special_tokens_map.json) into this folder"
)


def check_tokenizer(name: str, checkpoint: Checkpoint, *, live: bool) -> Iterator[Finding]:
    """An error if a search could not score with this model's tokenizer.

    Args:
        name: of the model.
        checkpoint: the model.
        live: whether it is for a search; a merge of files needs no tokenizer.
    """
    folder = checkpoint.path
    if not _has_files(checkpoint):
        kinds = ", ".join(" with ".join(kind) for kind in KINDS)
        missing = f"{folder}: has no tokenizer files ({kinds})"
        if live:
            yield Finding("error", name, f"{missing}, but scoring needs a tokenizer; {FIX}")
        else:
            yield Finding(
                "warning",
                name,
                f"{missing}: a search could not score it, and the merged model has none either, "
                "unless the recipe's `tokenizer` names another model",
            )
    elif live:
        yield from _check_loading(name, checkpoint)


def without_tokenizer(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    """A warning if a model has no tokenizer, and whose is used instead.

    Args:
        name: of the model.
        checkpoint: the model.
        other_name: of the model that gives the merged one its tokenizer.
        other: that model.
    """
    if _has_files(other) and not _has_files(checkpoint):
        yield Finding(
            "warning",
            name,
            f"{checkpoint.path}: has no tokenizer files; its rows are taken for {other_name}'s "
            f"tokens, and {other_name}'s tokenizer is used",
        )


def _has_files(checkpoint: Checkpoint) -> bool:
    folder = checkpoint.path
    return any(all((folder / file).is_file() for file in kind) for kind in KINDS)


def _check_loading(name: str, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Whether transformers loads the tokenizer, with tokens in it, and as its file describes it."""
    folder = checkpoint.path
    try:
        tokenizer = load_tokenizer(checkpoint)
    except Exception as error:  # transformers and tokenizers raise anything on damaged files
        lines = str(error).strip().splitlines() or [""]
        cause = f"{type(error).__name__}: {lines[-1].strip(' .')}"
        yield Finding("error", name, f"{folder}: its tokenizer cannot be loaded: {cause}; {FIX}")
        return
    kind = type(tokenizer).__name__
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        files = ", ".join(tokenizer.vocab_files_names.values())
        cause = f"{kind} finds no tokens in this folder; its files are {files}"
        yield Finding("error", name, f"{folder}: its tokenizer cannot be loaded: {cause}; {FIX}")
    elif _differs_from_file(tokenizer, checkpoint):
        yield Finding(
            "warning",
            name,
            f"{folder / 'tokenizer.json'}: transformers loads it as {kind}, whose rules split text "
            "into other tokens than this file does, here and wherever the model is used; if the "
            "models were trained with the file's, their scores will be poor: compare with "
            f"`AutoTokenizer.from_pretrained({str(folder)!r})`",
        )


def _differs_from_file(tokenizer: Any, checkpoint: Checkpoint) -> bool:
    """Whether text becomes other tokens; a class of transformers may know its own rules."""
    described = encoded_by_file(checkpoint, SAMPLE)
    return described not in (None, tokenizer.encode(SAMPLE, add_special_tokens=False))

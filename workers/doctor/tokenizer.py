"""Whether the base has a tokenizer that works; transformers makes an empty one of no files."""

from __future__ import annotations

from collections.abc import Iterator

from workers.checkpoint import Checkpoint, load_tokenizer
from workers.doctor.finding import Finding

KINDS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))
"""The files of each kind of tokenizer; one kind is enough."""
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
    elif live and (error := _load_error(checkpoint)):
        yield Finding("error", name, f"{folder}: its tokenizer cannot be loaded: {error}; {FIX}")


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


def _load_error(checkpoint: Checkpoint) -> str | None:
    try:
        tokenizer = load_tokenizer(checkpoint)
    except Exception as error:  # transformers and tokenizers raise anything on damaged files
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[-1].strip(' .')}"
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        files = ", ".join(tokenizer.vocab_files_names.values())
        return f"{type(tokenizer).__name__} finds no tokens in this folder; its files are {files}"
    return None

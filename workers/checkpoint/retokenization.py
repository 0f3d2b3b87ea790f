"""Gives models with different vocabularies that of one tokenizer, matching rows by token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workers.checkpoint.checkpoint import Checkpoint
from workers.checkpoint.headers import TensorInfo
from workers.checkpoint.merged_tokenizer import tokenizer_directory
from workers.checkpoint.merged_vocabulary import MergedVocabulary, merge_vocabularies
from workers.checkpoint.retokenized_checkpoint import RetokenizedCheckpoint
from workers.checkpoint.vocabulary import SPECIAL_IDS
from workers.recipe import TokenizerChoice, is_vocabulary


def retokenize(
    models: Mapping[str, Checkpoint], choice: TokenizerChoice | None
) -> dict[str, Checkpoint]:
    """The models with the vocabulary of the chosen tokenizer; the first also has its files.

    Without a choice, the models as they are.

    Raises:
        ValueError: if the vocabularies cannot be merged.
    """
    if choice is None:
        return dict(models)
    merged = merge_vocabularies(models, choice)
    first, *_ = models
    source = models[merged.source]
    directory = tokenizer_directory(source, merged.added, merged.ids)
    special = {key: source.config[key] for key in SPECIAL_IDS if key in source.config}
    found = {name: _with_rows(name, models, merged) for name in models}
    config = {**models[first].config, **special, "vocab_size": merged.n_rows}
    base = replace(found[first], config=config, tokenizer=directory, generation=source.path)
    return {**found, first: base}


def _with_rows(
    name: str, models: Mapping[str, Checkpoint], merged: MergedVocabulary
) -> RetokenizedCheckpoint:
    model, rows = models[name], merged.rows(name)
    shapes = {
        tensor: _resized(tensor, info, merged.n_rows) for tensor, info in model.tensors.items()
    }
    names = [] if rows.are(model.vocabulary_rows) else [n for n in shapes if is_vocabulary(n)]
    return RetokenizedCheckpoint(
        model.path,
        shapes,
        model.config,
        changes={**_changes(model), **dict.fromkeys(names, "")},
        original=model,
        names=tuple(names),
        rows=rows,
        donors=models,
        tokenizer=model.tokenizer_path,
        generation=model.generation_path,
    )


def _resized(tensor: str, info: TensorInfo, rows: int) -> TensorInfo:
    return replace(info, shape=(rows, *info.shape[1:])) if is_vocabulary(tensor) else info


def _changes(model: Checkpoint) -> Mapping[str, str]:
    return model.adapter.changes if model.adapter else model.changes

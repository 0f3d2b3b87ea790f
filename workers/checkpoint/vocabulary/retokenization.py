"""Gives models with different vocabularies that of one tokenizer, matching rows by token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from workers.checkpoint.checkpoint import Checkpoint, with_vocabulary_rows
from workers.checkpoint.parts import language_config, with_language_config
from workers.checkpoint.vocabulary.chat_template import chosen_template
from workers.checkpoint.vocabulary.generation import chosen_generation, generation_directory
from workers.checkpoint.vocabulary.merged_tokenizer import tokenizer_directory, with_template
from workers.checkpoint.vocabulary.merged_vocabulary import MergedVocabulary, merge_vocabularies
from workers.checkpoint.vocabulary.retokenized_checkpoint import RetokenizedCheckpoint
from workers.checkpoint.vocabulary.tokens import SPECIAL_IDS
from workers.recipe import TokenizerChoice, is_vocabulary


def retokenize(
    models: Mapping[str, Checkpoint],
    choice: TokenizerChoice | None,
    chat_template: str | None = None,
    generation_config: str | None = None,
) -> dict[str, Checkpoint]:
    """The models with the vocabulary of the chosen tokenizer; the first also has its files.

    Args:
        models: by name, the base first.
        choice: of the tokenizer; None leaves the rows as they are.
        chat_template: a model's name, that of a standard template, or its text.
        generation_config: a model's name, or its JSON text.

    Raises:
        ValueError: if the vocabularies cannot be merged, or there is no such template or
            generation config.
    """
    found = _with_vocabulary(models, choice) if choice else dict(models)
    if chat_template is None and generation_config is None:
        return found
    first, *_ = models
    base = found[first]
    changed = base if isinstance(base, RetokenizedCheckpoint) else _wrapped(base)
    if chat_template is not None:
        template = chosen_template(chat_template, models)
        changed = replace(changed, tokenizer=with_template(changed.tokenizer, template))
    if generation_config is not None:
        text = chosen_generation(generation_config, models)
        changed = replace(changed, generation=generation_directory(text))
    return {**found, first: changed}


def _with_vocabulary(
    models: Mapping[str, Checkpoint], choice: TokenizerChoice
) -> dict[str, Checkpoint]:
    merged = merge_vocabularies(models, choice)
    first, *_ = models
    source = models[merged.source]
    if models[first].towers and merged.source != first:
        raise ValueError(
            f"tokenizer: {choice.source}: the config of {models[first].path} names tokens of "
            "images and the like by their rows in its own vocabulary; choose `base` or `union` "
            "for a multi-part model"
        )
    directory = tokenizer_directory(source, merged.added, merged.ids)
    settings = {**language_config(source.config), **source.config}
    special = {key: settings.get(key) for key in SPECIAL_IDS}
    config = with_language_config(
        {**models[first].config, **special}, {**special, "vocab_size": merged.n_rows}
    )
    found = {name: _with_rows(name, models, merged) for name in models}
    base = replace(found[first], config=config, tokenizer=directory, generation=source.path)
    return {**found, first: base}


def _with_rows(
    name: str, models: Mapping[str, Checkpoint], merged: MergedVocabulary
) -> RetokenizedCheckpoint:
    model, rows = models[name], merged.rows(name)
    if rows.are(model.vocabulary_rows):
        return _wrapped(model)
    names = tuple(filter(is_vocabulary, model.tensors))
    return replace(
        _wrapped(model),
        tensors=with_vocabulary_rows(model.tensors, merged.n_rows),
        changes={**model.changes, **dict.fromkeys(names, "")},
        names=names,
        rows=rows,
        donors=models,
    )


def _wrapped(model: Checkpoint) -> RetokenizedCheckpoint:
    """The model as it is."""
    return RetokenizedCheckpoint.of(
        model, tokenizer=model.tokenizer_path, generation=model.generation_path
    )

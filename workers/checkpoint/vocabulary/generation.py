"""The generation config that a recipe chooses, as a directory that has it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.checkpoint.checkpoint import Checkpoint
from workers.checkpoint.headers import read_json
from workers.checkpoint.location import cache_folder
from workers.checkpoint.parts import language_config
from workers.checkpoint.vocabulary.tokens import SPECIAL_IDS
from workers.checkpoint.writer import GENERATION_CONFIG
from workers.recipe import is_settings

_NO_SETTINGS = {  # no effect on the text that is generated
    "_from_model_config",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "return_dict_in_generate",
    "transformers_version",
    "use_cache",
}


def chosen_generation(choice: str, models: Mapping[str, Checkpoint]) -> str:
    """The JSON text of a generation config.

    Args:
        choice: the name of a model, or the text itself.
        models: by name, the base first.

    Raises:
        ValueError: if the model has none.
    """
    if is_settings(choice):
        return choice
    model = models[next(iter(models)) if choice == "base" else choice]
    file = model.generation_path / GENERATION_CONFIG
    if not file.is_file():
        raise ValueError(
            f"generation_config: {model.path}: {choice} has no {GENERATION_CONFIG}; name another "
            "model, or leave it out"
        )
    return json.dumps(read_json(file), sort_keys=True)


def generation_settings(model: Checkpoint) -> dict[str, Any]:
    """The settings that a model generates with, without those that are not set.

    Special tokens that its generation config lacks are those of its config.
    """
    config = {**language_config(model.config), **model.config}
    file = model.generation_path / GENERATION_CONFIG
    own = read_json(file) if file.is_file() else {}
    found = {**{key: config.get(key) for key in SPECIAL_IDS}, **own}
    return {k: v for k, v in found.items() if v is not None and k not in _NO_SETTINGS}


def generation_directory(text: str) -> Path:
    """A directory of the cache with this generation config."""
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    folder = cache_folder() / "generation" / digest
    if not (folder / GENERATION_CONFIG).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{GENERATION_CONFIG}.{os.getpid()}"
        draft.write_text(json.dumps(json.loads(text), indent=2) + "\n", encoding="utf-8")
        draft.replace(folder / GENERATION_CONFIG)
    return folder

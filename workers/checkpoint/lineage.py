"""Which model a model was fine-tuned from, as far as its files say."""

from __future__ import annotations

import yaml
from huggingface_hub import ModelCard

from workers.checkpoint.checkpoint import Checkpoint


def bases_of(checkpoint: Checkpoint) -> list[str]:
    """The names in its card (`base_model`), of its adapter, and in its config, in this order."""
    found = _of_card(checkpoint)
    if checkpoint.adapter and checkpoint.adapter.trained_on:
        found.append(checkpoint.adapter.trained_on)
    name = checkpoint.config.get("_name_or_path")
    if isinstance(name, str) and name and name != str(checkpoint.path):
        found.append(name)
    return found


def _of_card(checkpoint: Checkpoint) -> list[str]:
    readme = checkpoint.path / "README.md"
    if not readme.is_file():
        return []
    try:
        data = ModelCard(readme.read_text(encoding="utf-8"), ignore_metadata_errors=True).data
    except (ValueError, yaml.YAMLError):
        return []
    given = data.get("base_model")
    return [each for each in (given if isinstance(given, list) else [given]) if each]

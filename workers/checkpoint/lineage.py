"""Which model a model was fine-tuned from, as far as its files say."""

from __future__ import annotations

from workers.checkpoint.card_data import card_data
from workers.checkpoint.checkpoint import Checkpoint


def bases_of(checkpoint: Checkpoint) -> list[str]:
    """The names in its card (`base_model`), of its adapter, and in its config, in this order."""
    given = card_data(checkpoint.path).get("base_model")
    found = [each for each in (given if isinstance(given, list) else [given]) if each]
    if checkpoint.adapter and checkpoint.adapter.trained_on:
        found.append(checkpoint.adapter.trained_on)
    name = checkpoint.config.get("_name_or_path")
    if isinstance(name, str) and name and name != str(checkpoint.path):
        found.append(name)
    return found

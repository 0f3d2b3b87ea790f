"""What a model's own card says of it, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard


def card_data(folder: Path) -> Mapping[str, Any]:
    """The metadata of a model's card; empty if it has none, or none that can be read."""
    readme = folder / "README.md"
    if not readme.is_file():
        return {}
    try:
        card = ModelCard(readme.read_text(encoding="utf-8"), ignore_metadata_errors=True)
    except (ValueError, yaml.YAMLError):
        return {}
    return dict(vars(card.data))

"""The licence in a model's own model card."""

from __future__ import annotations

from pathlib import Path

import yaml
from huggingface_hub import ModelCard

UNKNOWN_LICENCE = "not stated"


def licence_of(folder: Path) -> str:
    """The licence in a model's card, or `UNKNOWN_LICENCE`."""
    readme = folder / "README.md"
    if not readme.is_file():
        return UNKNOWN_LICENCE
    try:
        data = ModelCard(readme.read_text(encoding="utf-8"), ignore_metadata_errors=True).data
    except (ValueError, yaml.YAMLError):
        return UNKNOWN_LICENCE
    given = data.get("license_name") or data.get("license")
    return str(given) if given else UNKNOWN_LICENCE

"""The licence that a model states."""

from __future__ import annotations

from pathlib import Path

import yaml
from huggingface_hub import ModelCard

UNKNOWN = "not stated"


def licence_of(folder: Path) -> str:
    """The licence in a model's own card, or `UNKNOWN`."""
    readme = folder / "README.md"
    if not readme.is_file():
        return UNKNOWN
    try:
        data = ModelCard(readme.read_text(encoding="utf-8"), ignore_metadata_errors=True).data
    except (ValueError, yaml.YAMLError):
        return UNKNOWN
    given = data.get("license_name") or data.get("license")
    return str(given) if given else UNKNOWN

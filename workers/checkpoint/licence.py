"""The licence in a model's own model card."""

from __future__ import annotations

from pathlib import Path

import yaml
from huggingface_hub import ModelCard

UNKNOWN_LICENCE = "not stated"


KEYS = ("license", "license_name", "license_link")


def licence_of(folder: Path) -> str:
    """The licence in a model's card, or `UNKNOWN_LICENCE`."""
    found = licence_keys(folder)
    return found.get("license_name") or found.get("license") or UNKNOWN_LICENCE


def licence_keys(folder: Path) -> dict[str, str]:
    """What a model's card says of its licence, by the hub's keys; empty if it says nothing."""
    readme = folder / "README.md"
    if not readme.is_file():
        return {}
    try:
        data = ModelCard(readme.read_text(encoding="utf-8"), ignore_metadata_errors=True).data
    except (ValueError, yaml.YAMLError):
        return {}
    return {key: str(value) for key in KEYS if (value := data.get(key))}

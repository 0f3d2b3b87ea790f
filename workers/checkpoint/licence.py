"""The licence in a model's own model card."""

from __future__ import annotations

from pathlib import Path

from workers.checkpoint.card_data import card_data

UNKNOWN_LICENCE = "not stated"
KEYS = ("license", "license_name", "license_link")


def licence_of(folder: Path) -> str:
    """The licence in a model's card, or `UNKNOWN_LICENCE`."""
    found = licence_keys(folder)
    return found.get("license_name") or found.get("license") or UNKNOWN_LICENCE


def licence_keys(folder: Path) -> dict[str, str]:
    """What a model's card says of its licence, by the hub's keys; empty if it says nothing."""
    data = card_data(folder)
    return {key: str(data[key]) for key in KEYS if data.get(key)}

"""The licence in a model's own model card."""

from __future__ import annotations

from pathlib import Path

from workers.checkpoint.card_data import card_data

UNKNOWN_LICENCE = "not stated"


def licence_of(folder: Path) -> str:
    """The licence in a model's card, or `UNKNOWN_LICENCE`."""
    data = card_data(folder)
    given = data.get("license_name") or data.get("license")
    return str(given) if given else UNKNOWN_LICENCE

"""What a translation of a config of mergekit-evolve leaves out, and what a user should know."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class EvolveNotes:
    """Collects while a config is translated."""

    missing: list[str] = field(default_factory=list)
    """Keys without counterpart, each with what is done instead."""
    warnings: list[str] = field(default_factory=list)
    """Tasks and metrics that cannot be used as they are."""

    def lacks(self, key: str, instead: str) -> None:
        """Notes a key that has no counterpart here."""
        self.missing.append(f"{key}: {instead}")

"""The doctor's findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """An error or a warning about a model, or about none of them."""

    level: Level
    model: str
    """Its name; empty for what concerns no single model."""
    message: str

    def __str__(self) -> str:
        is_named = self.model not in ("base", "")
        return f"models.{self.model}: {self.message}" if is_named else self.message

"""The doctor's findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """An error or a warning about a model."""

    level: Level
    model: str
    message: str

    def __str__(self) -> str:
        return f"models.{self.model}: {self.message}" if self.model != "base" else self.message

"""What the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something about a model that an expert would point at."""

    level: Level
    model: str
    message: str

    def __str__(self) -> str:
        return f"models.{self.model}: {self.message}" if self.model != "base" else self.message

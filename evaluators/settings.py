"""The base of every settings class, in every room."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """What a person writes in a config: unknown keys are refused, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)

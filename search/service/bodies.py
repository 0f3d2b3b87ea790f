"""The bodies of requests, besides configs."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from evaluators.settings import Count, Settings
from search.runs import ExportSettings
from search.service.submissions import NAME
from search.service.tokens import Role

Text = Annotated[str, Field(min_length=1, max_length=2000)]
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Amount = Annotated[float, Field(gt=0, le=1e9)]
Number = Annotated[int, Field(ge=0, le=10**9)]
PICK = r"^(knee|mean|best:[^\x00-\x1f]{1,200})$"
Pick = Annotated[str, Field(pattern=PICK)]


class Body(Settings):
    """A strict body, which FastAPI reads."""

    model_config = ConfigDict(defer_build=False)  # which FastAPI cannot do


class ResumeBody(Body):
    """New limits of a budget; what is left out stays."""

    trials: Count | None = None
    scorings: Amount | None = None
    hours: Amount | None = None
    worker_hours: Amount | None = None


class VerdictBody(Body):
    """Which trial to test."""

    pick: Pick = "knee"
    trial: Number | None = None

    @property
    def arguments(self) -> list[str]:
        """Of the command line, each in one word, so that no value is read as an option."""
        given = self.model_dump(exclude={"name"}, exclude_defaults=True)
        options = {f"--{name.replace('_', '-')}": value for name, value in given.items()}
        return [name if value is True else f"{name}={value}" for name, value in options.items()]


class ExportBody(ExportSettings, VerdictBody):
    """Which model to write, and how."""

    name: Name
    where: Text | None = None
    push: Annotated[str, Field(pattern=r"^[\w.-]{1,96}/[\w.-]{1,96}$")] | None = None


class TokenBody(Body):
    """A token to create."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    role: Role
    days: Annotated[float, Field(gt=0, le=36_500)] | None = 90

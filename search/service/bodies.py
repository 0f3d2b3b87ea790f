"""The bodies of requests, besides configs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from evaluators.settings import Count
from search.service.submissions import NAME
from search.service.tokens import Role

Text = Annotated[str, Field(min_length=1, max_length=2000)]
Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Amount = Annotated[float, Field(gt=0, le=1e9)]
Number = Annotated[int, Field(ge=0, le=10**9)]
PICK = r"^(knee|mean|best:[^\x00-\x1f]{1,200})$"
Pick = Annotated[str, Field(pattern=PICK)]


class Body(BaseModel):
    """A strict body: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
        """Of the command line."""
        return _options(pick=self.pick, trial=self.trial)


class ExportBody(VerdictBody):
    """Which model to write, and how."""

    name: Name
    where: Text | None = None
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    max_shard_size: Annotated[str, Field(pattern=r"^[0-9]{1,9}(KB|MB|GB)$")] | None = None
    push: Annotated[str, Field(pattern=r"^[\w.-]{1,96}/[\w.-]{1,96}$")] | None = None
    public: bool = False
    force: bool = False

    @property
    def arguments(self) -> list[str]:
        """Of the command line."""
        flags = [f"--{name}" for name in ("public", "force") if getattr(self, name)]
        options = {"where": self.where, "dtype": self.dtype, "push": self.push}
        size = self.max_shard_size
        return [*super().arguments, *_options(**options, max_shard_size=size), *flags]


class TokenBody(Body):
    """A token to create."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    role: Role
    days: Annotated[float, Field(gt=0, le=36_500)] | None = 90


def _options(**values: object) -> list[str]:
    """Each in one word, so that no value is read as an option."""
    given = {name: value for name, value in values.items() if value is not None}
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]

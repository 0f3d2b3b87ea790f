"""The base class of all settings, and the errors about them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LIMIT = 2**31
"""Counts are below: what they feed has 32 bits, or would never end."""
Count = Annotated[int, Field(gt=0, lt=LIMIT)]
CountOrZero = Annotated[int, Field(ge=0, lt=LIMIT)]


class Settings(BaseModel):
    """A section of a config: immutable, unknown keys are errors, and numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class SettingsError(ValueError):
    """Invalid settings; `errors` has one message per error, with its key."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(self.errors))


def suggestion(given: str, known: Iterable[str]) -> str:
    """The hint of an error about an unknown name: the closest known name, or all of them.

    >>> suggestion("tie", ["ties", "linear"])
    "did you mean 'ties'?"
    """
    names = sorted(known)
    if close := difflib.get_close_matches(given, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(names)}" if names else "there are none"

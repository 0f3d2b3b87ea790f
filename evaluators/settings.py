"""The base of every settings class, in every room."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """What a person writes in a config: unknown keys are refused, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingsError(ValueError):
    """Settings that cannot be used; `errors` has every reason, each with its place."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(self.errors))


def suggestion(given: str, known: Iterable[str]) -> str:
    """What to add to an error about an unknown name: the closest known name, or all of them.

    >>> suggestion("tie", ["ties", "linear"])
    "did you mean 'ties'?"
    """
    names = sorted(known)
    if close := difflib.get_close_matches(given, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(names)}" if names else "there are none"

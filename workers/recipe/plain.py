"""Plain values that come from a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


def check_keys(
    content: Mapping[str, Any], allowed: set[str], *, required: set[str], where: str
) -> None:
    """Checks a mapping's keys.

    Raises:
        ValueError: if one is unknown or missing.
    """
    if unknown := sorted(set(map(str, content)) - allowed):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; {nearest(unknown[0], allowed)}")
    if missing := sorted(required - set(content)):
        raise ValueError(f"{where}: {missing[0]!r} is missing")


def nearest(given: str, known: Iterable[str]) -> str:
    """What the writer of an unknown name may have meant.

    >>> nearest("paramters", ["models", "parameters"])
    "did you mean 'parameters'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"


def present(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}

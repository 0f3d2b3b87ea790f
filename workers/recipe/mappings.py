"""Helpers for mappings that are read from a file or written to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluators.settings import suggestion


def check_keys(
    content: Mapping[str, Any], allowed: set[str], *, required: set[str], where: str
) -> None:
    """Checks the keys of a mapping.

    Raises:
        ValueError: if one is unknown or missing.
    """
    if unknown := sorted(set(map(str, content)) - allowed):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; {suggestion(unknown[0], allowed)}")
    if missing := sorted(required - set(content)):
        raise ValueError(f"{where}: {missing[0]!r} is missing")


def without_none(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def is_count(value: Any, *, least: int = 1) -> bool:
    """Whether a value that was read is a whole number from `least` on; True is no number.

    >>> is_count(1), is_count(0), is_count(0, least=0), is_count(True), is_count(1.0)
    (True, False, True, False, False)
    """
    return type(value) is int and value >= least

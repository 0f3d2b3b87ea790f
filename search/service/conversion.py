"""A config's YAML as JSON, where that loses nothing: forms have no comments and no aliases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import yaml

from search.service.problems import Problem
from search.service.untrusted_text import LOADER

MAX_WHOLE = 2**53
"""Up to here a browser's 64-bit floats tell all whole numbers apart."""
_COMMENT = re.compile(r"(^|\s)#")


def check_is_json(text: str, content: Mapping[str, Any]) -> None:
    """Refuses YAML that has more than JSON can say.

    Args:
        text: the YAML.
        content: what it says.

    Raises:
        Problem: that names it.
    """
    if more := next(_beyond_json(text, content), None):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{more}, which a form would lose",
            fix="go on in YAML, or write it in another way",
        )


def _beyond_json(text: str, content: Mapping[str, Any]) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        if _COMMENT.search(line):
            yield f"line {number} has a comment"
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent):  # they may make it huge, too
            yield f"there is the alias *{event.anchor}"
    try:
        read_again = json.loads(json.dumps(content, allow_nan=False), parse_int=_exact)
    except (TypeError, ValueError):  # a date, or not a number
        read_again = None
    if read_again != content:
        yield "a value is a date, a key that is no text, or a number that JSON has not"


def _exact(digits: str) -> int | None:
    return value if abs(value := int(digits)) <= MAX_WHOLE else None

"""The text of a config from a stranger, before it is read: how large it becomes, and how deep."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import yaml

from search.service.problems import Problem

MAX_DEPTH = 32  # a config needs 6
MAX_VALUES = 20_000  # after every alias is replaced by what it stands for
CHARACTERS = 50  # of a text count as one more value
JSON_TYPES = ("application/json",)
YAML_TYPES = ("", "application/yaml", "application/x-yaml", "text/yaml", "text/plain")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def yaml_of(body: bytes, content_type: str) -> str:
    """The body of a request as YAML that is safe to read.

    Raises:
        Problem: if it is of another type, no UTF-8, no YAML or JSON, or too large or deep.
    """
    kind = _kind(content_type)
    if kind not in (*JSON_TYPES, *YAML_TYPES):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"a config of type {kind[:100]!r} is not read",
            fix="send application/yaml or application/json",
        )
    try:
        text = body.decode()
        text = _yaml_of_json(text) if kind in JSON_TYPES else text
    except (ValueError, RecursionError) as error:
        raise _unreadable(str(error)) from None
    check_size(text)
    return text


def is_json(content_type: str) -> bool:
    """Whether a body is of JSON; else it is of YAML."""
    return _kind(content_type) in JSON_TYPES


def check_size(text: str) -> None:
    """Refuses YAML whose aliases make it huge, or that is nested too deeply.

    Raises:
        Problem: if it is one of these, or no YAML.
    """
    sizes: dict[str, int] = {}  # of finished anchors
    opened: list[tuple[str | None, int]] = []  # anchors of open nodes, and the count before them
    count = 0  # of values
    try:
        for event in yaml.parse(text, Loader=LOADER):
            if isinstance(event, yaml.AliasEvent):
                if event.anchor not in sizes:  # unknown, or within itself
                    raise _unreadable(f"the alias *{event.anchor} does not stand for a whole value")
                count += sizes[event.anchor]
            elif isinstance(event, yaml.ScalarEvent):
                size = 1 + len(event.value) // CHARACTERS
                count += size
                if event.anchor:
                    sizes[event.anchor] = size
            elif isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, count))
                count += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = opened.pop()
                if anchor:
                    sizes[anchor] = count - before
            if count > MAX_VALUES or len(opened) > MAX_DEPTH:
                raise _unreadable(
                    f"it has more than {MAX_VALUES} values or {MAX_DEPTH} levels, with its "
                    f"aliases, where {CHARACTERS} characters of a text count as one more value"
                )
    except (yaml.YAMLError, ValueError) as error:
        raise _unreadable(f"not valid YAML: {error}") from None


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _yaml_of_json(text: str) -> str:
    content = json.loads(text, parse_constant=_refuse, object_pairs_hook=_without_duplicates)
    return str(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"duplicate key in an object of {', '.join(found)}"[:200])
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _unreadable(detail: str) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"the config cannot be read: {detail}",
        fix="send a config as YAML or JSON; see docs/config.md",
    )

"""What pydantic found wrong, in words: the place, what was given, what would be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from evaluators.settings import suggestion

Schema = Mapping[str, Any]


def say(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One line for one fault of what was meant to be a `model`."""
    place = [str(part) for part in error["loc"] if part != "[key]"]
    where, given = ".".join(place), error["input"]
    if error["type"] == "extra_forbidden":
        known = _keys(model.model_json_schema(), place[:-1])
        return f"{where}: unknown key; {suggestion(place[-1], known)}"
    if error["type"] == "missing":
        return f"{where}: is required and missing"
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}"
    shown = "" if isinstance(given, dict | list) and not given else f" (got {given!r})"
    return f"{where}: {error['msg']}{shown}"


def _keys(schema: Schema, place: Sequence[str]) -> list[str]:
    """The keys that are known at a place."""
    nodes = list(_alternatives(schema, schema))
    for part in place:
        nodes = [found for node in nodes for found in _inside(node, part, schema)]
    return [key for node in nodes for key in node.get("properties", {})]


def _inside(node: Schema, part: str, root: Schema) -> Iterator[Schema]:
    """What lies at a key of a node; where the part is a union's tag, the member that it picks."""
    if node.get("properties", {}).get("type", {}).get("const") == part:
        yield node
        return
    others = node.get("items") if part.isdigit() else node.get("additionalProperties")
    found = node.get("properties", {}).get(part, others)
    if isinstance(found, dict):
        yield from _alternatives(found, root)


def _alternatives(node: Schema, root: Schema) -> Iterator[Schema]:
    """The node, or those that it refers to or offers."""
    if reference := node.get("$ref"):
        yield from _alternatives(root["$defs"][reference.rpartition("/")[2]], root)
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _alternatives(choice, root)
    yield node

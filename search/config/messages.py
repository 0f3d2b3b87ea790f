"""Pydantic's errors in words: the path of the key, the given value, and what is valid."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from evaluators.settings import suggestion

Schema = Mapping[str, Any]

EXPECTED = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys to values",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "list_type": "must be a list, such as [one, two]",
    "model_attributes_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "string_type": "must be a text",
    "tuple_type": "must be a list, such as [one, two]",
}
"""Type of an error of pydantic's -> what a value must be."""
MAX_ERRORS = 100  # nobody corrects more at a time, and a stranger may send thousands
MAX_KEY = 100  # characters
REMOVED_TYPES = {"evolution": "this sampler was removed, replace its settings by {type: auto}"}
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlevel = 3


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """A line for each error of validating a `model`, if they are not too many."""
    errors = error.errors(include_url=False)
    lines = [_line(each, model) for each in errors[:MAX_ERRORS]]
    if more := len(errors) - len(lines):
        lines.append(f"there are {more} more errors, which are shown once these are corrected")
    return lines


def _line(error: ErrorDetails, model: type[BaseModel]) -> str:
    path = [str(part)[:MAX_KEY] for part in error["loc"] if part != "[key]"]
    where, given = ".".join(path), error["input"]
    if error["type"] == "extra_forbidden":
        known = _keys(_schema(model), path[:-1])
        return f"{where}: unknown key; {suggestion(path[-1], known)}"
    if error["type"] == "union_tag_invalid":
        tag = error["ctx"]["tag"][:MAX_KEY]
        known = error["ctx"]["expected_tags"].replace("'", "").split(", ")
        advice = REMOVED_TYPES.get(tag) or suggestion(tag, known)
        return f"{where}.type: unknown type {tag!r}; {advice}"
    if error["type"] == "missing":
        return f"{where}: is required and missing"
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}"
    shown = "" if isinstance(given, dict | list) and not given else f" (got {_SHORT.repr(given)})"
    return f"{where}: {_in_words(error)}{shown}"


def _in_words(error: ErrorDetails) -> str:
    """What is wrong with a value, without pydantic's names for types."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "too_short":
        return f"needs at least {context['min_length']}, not {context['actual_length']}"
    if kind == "literal_error":
        known = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        hint = suggestion(str(error["input"])[:MAX_KEY], known)
        close = f"; {hint}" if hint.startswith("did you mean") else ""
        return f"must be {context['expected']}{close}"
    return EXPECTED.get(kind) or error["msg"].replace("Input should be", "must be")


@cache
def _schema(model: type[BaseModel]) -> Schema:
    """Made once: it takes 20 ms."""
    return model.model_json_schema()


def _keys(schema: Schema, path: Sequence[str]) -> list[str]:
    """The valid keys of the section at a path."""
    nodes = list(_alternatives(schema, schema))
    for part in path:
        nodes = [child for node in nodes for child in _children(node, part, schema)]
    return [key for node in nodes for key in node.get("properties", {})]


def _children(node: Schema, part: str, root: Schema) -> Iterator[Schema]:
    """The schemas of a key of a node; for the tag of a union, the member with that tag."""
    if node.get("properties", {}).get("type", {}).get("const") == part:
        yield node
        return
    others = node.get("items") if part.isdigit() else node.get("additionalProperties")
    found = node.get("properties", {}).get(part, others)
    if isinstance(found, dict):
        yield from _alternatives(found, root)


def _alternatives(node: Schema, root: Schema) -> Iterator[Schema]:
    """The node itself, and the nodes that it refers to by $ref, anyOf or oneOf."""
    if reference := node.get("$ref"):
        yield from _alternatives(root["$defs"][reference.rpartition("/")[2]], root)
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _alternatives(choice, root)
    yield node

"""Parses references to models in a mergekit file."""

from __future__ import annotations

from workers.mergekit.yaml_nodes import Errors, Node
from workers.recipe import Source


def parse_source(node: Node, errors: Errors) -> Source:
    """A model, written as text or as a mapping."""
    given = node.plain()
    try:
        if isinstance(given, dict):
            return _source_of_mapping(node, errors)
        return Source.parse(given)
    except ValueError as error:
        errors.add(node.line, str(error))
        return Source("")


def _source_of_mapping(node: Node, errors: Errors) -> Source:
    content = errors.mapping(node, "model")
    errors.known(
        content,
        ("model", "lora"),
        {"override_architecture": "the architecture is read from the models"},
    )
    model, lora = (_path(content.get(key), key, errors) for key in ("model", "lora"))
    if model is None:
        errors.add(node.line, "model: `path` is missing")
        return Source("")
    adapter = (f"{lora[0]}@{lora[1]}" if lora[1] else lora[0]) if lora else None
    return Source(model[0], model[1], adapter)


def _path(node: Node | None, what: str, errors: Errors) -> tuple[str, str | None] | None:
    if node is None:
        return None
    if isinstance(node.value, str):
        return node.value, None
    content = errors.mapping(node, what)
    errors.known(content, ("path", "revision"))
    if "path" not in content:
        return None
    revision = content["revision"].value if "revision" in content else None
    return str(content["path"].value), revision

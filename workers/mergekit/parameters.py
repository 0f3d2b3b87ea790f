"""Parses parameters in a mergekit file: numbers, gradients and conditions."""

from __future__ import annotations

from workers.mergekit.document import Condition, Setting
from workers.mergekit.yaml_nodes import Errors, Node
from workers.methods import as_float


def parse_parameters(node: Node | None, errors: Errors) -> dict[str, Setting]:
    """The settings of a `parameters` mapping."""
    given = errors.mapping(node, "parameters")
    return {name: _setting(name, each, errors) for name, each in given.items()}


def _setting(name: str, node: Node, errors: Errors) -> Setting:
    if isinstance(node.value, list) and node.value and isinstance(node.value[0].value, dict):
        return Setting(tuple(_condition(name, each, errors) for each in node.value), node.line)
    if isinstance(node.value, dict):
        errors.add(
            node.line, f"{name}: conditions must be a list: write `- filter: ...` with a dash"
        )
        return Setting((), node.line)
    return Setting((Condition(None, _numbers(name, node, errors)),), node.line)


def _condition(name: str, node: Node, errors: Errors) -> Condition:
    content = errors.mapping(node, name)
    errors.known(content, ("filter", "value"))
    if "value" not in content:
        errors.add(node.line, f"{name}: a condition needs a `value`")
        return Condition(None, (0.0,))
    chosen = content["filter"].value if "filter" in content else None
    if chosen is not None and not isinstance(chosen, str):
        errors.add(node.line, f"{name}: filter {chosen!r} is not text")
        chosen = None
    return Condition(chosen, _numbers(name, content["value"], errors))


def _numbers(name: str, node: Node, errors: Errors) -> tuple[float, ...]:
    given = node.plain()
    values = given if isinstance(given, list) else [given]
    if values and all(isinstance(each, int | float) for each in values):
        return tuple(map(as_float, values))
    errors.add(node.line, f"{name}: expected a number or a list of numbers, got {given!r}")
    return (0.0,)

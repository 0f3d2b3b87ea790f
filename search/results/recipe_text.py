"""A recipe in words: one line for each group of tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.recipe import Group, Recipe, Value


def recipe_lines(recipe: Recipe) -> list[str]:
    """The method and the models of a recipe, then the parameters of each group."""
    head = f"{recipe.method} of {', '.join(recipe.models)}"
    lines = [f"{_tensors(group)}: {parameters_text(group.parameters)}" for group in recipe.groups]
    return [head, *(line for line in lines if not line.endswith(": "))]


def parameters_text(parameters: Mapping[str, Value]) -> str:
    """Parameters in one line; of values per model those of each model.

    >>> parameters_text({"weight": {"law": 0.5, "code": 0.25}, "lambda": 1.0})
    'weight law 0.5, code 0.25; lambda 1'
    """
    return "; ".join(f"{name} {_value(value)}" for name, value in parameters.items())


def _value(value: Value) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{model} {number:.3g}" for model, number in value.items())
    return str(value).lower() if isinstance(value, bool) else f"{value:.3g}"


def _tensors(group: Group) -> str:
    return ", ".join(_where(group)) or "all tensors"


def _where(group: Group) -> Iterator[str]:
    if group.layers is not None:
        first, end = group.layers
        yield f"layers {first} to {end - 1}" if end - first > 1 else f"layer {first}"
    if group.modules is not None:
        yield " and ".join(group.modules)
    if group.names is not None:
        yield f"names with {' or '.join(group.names)}"

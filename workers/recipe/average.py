"""The recipe half-way between two recipes of one method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workers.methods import METHODS, Parameter, by_model
from workers.recipe.group import Group, Value
from workers.recipe.recipe import Recipe
from workers.recipe.tensors import ALL_MODULES, classes_of

Values = Mapping[str, Any]
"""Name of a parameter -> a number, a boolean, or model -> number."""


def average(one: Recipe, other: Recipe) -> Recipe | None:
    """The recipe with the mean of each parameter of two recipes; None if there is none.

    They need the same method, base, seed and tokenizer. A parameter with a logarithmic range has
    the geometric mean, and weights that the method divides by their sum are divided first. A model
    that only one of the two merges has weight 0 in the other.
    """
    if _rest(one) != _rest(other):
        return None
    longer, shorter = (other, one) if len(other.models) > len(one.models) else (one, other)
    models = {**longer.models, **shorter.models}
    try:
        groups = tuple(_groups(one, other, list(models)))
        if not groups:  # they have no tensor in common
            return None
        if all(group.parameters == groups[0].parameters for group in groups):
            groups = (Group(groups[0].parameters),)
        return replace(one, models=models, groups=groups)
    except ValueError:  # nothing half-way, or too many models for the method
        return None


def _rest(recipe: Recipe) -> tuple[object, ...]:
    """All of a recipe that has no mean."""
    texts = (recipe.tokenizer, recipe.chat_template, recipe.generation_config)
    return recipe.method, recipe.base, recipe.seed, recipe.dtype, recipe.compat, *texts


def _groups(one: Recipe, other: Recipe, models: Sequence[str]) -> Iterator[Group]:
    """Groups in which both recipes are constant.

    The first group that covers a tensor counts, in this order too: its parts are the first group
    of each recipe that does.

    Raises:
        ValueError: if they have no mean.
    """
    if any(one.models[name] != other.models[name] for name in one.models if name in other.models):
        raise ValueError("two models have one name")
    parameters = METHODS[one.method].parameters
    if one.models.keys() != other.models.keys() and "weight" not in parameters:
        raise ValueError("a model cannot be left out by its weight")
    for a in one.groups:
        for b in other.groups:
            layers, modules = _common_layers(a, b), _common_modules(a, b)
            if layers == () or modules == ():
                continue
            first, second = _values(one, a), _values(other, b)
            means = {
                name: _mean(parameter, first[name], second[name], models)
                for name, parameter in parameters.items()
            }
            yield Group(means, layers or None, modules, _common_names(a, b))


def _common_layers(a: Group, b: Group) -> tuple[int, int] | tuple[()] | None:
    """The layers of both groups: None for all, () for none."""
    if a.layers is None or b.layers is None:
        return a.layers or b.layers
    first, end = max(a.layers[0], b.layers[0]), min(a.layers[1], b.layers[1])
    return (first, end) if first < end else ()


def _common_modules(a: Group, b: Group) -> tuple[str, ...] | None:
    """The module classes of both groups: None for all, () for none."""
    if a.modules is None or b.modules is None or a.modules == b.modules:
        return a.modules if a.modules is not None else b.modules
    both = (set(a.modules), set(b.modules))
    return tuple(m for m in ALL_MODULES if all(some & set(classes_of(m)) for some in both))


def _common_names(a: Group, b: Group) -> tuple[str, ...] | None:
    if a.names is not None and b.names is not None and a.names != b.names:
        raise ValueError("no list of names says that one of each of two lists must occur")
    return a.names or b.names


def _values(recipe: Recipe, group: Group) -> Values:
    """The values of all parameters, with a number for each model, and weights divided."""
    method, names = METHODS[recipe.method], list(recipe.models)
    found: dict[str, Any] = {}
    for name, parameter in method.parameters.items():
        value = group.parameters.get(name, parameter.default)
        found[name] = dict(by_model(value, names)) if parameter.per_model else value
    if found.get("normalize", not method.needs_base) and "weight" in found:
        total = math.fsum(found["weight"].values())
        if abs(total) > 1e-8:
            found["weight"] = {name: value / total for name, value in found["weight"].items()}
    return found


def _mean(parameter: Parameter, a: Any, b: Any, models: Sequence[str]) -> Value:
    if parameter.per_model:
        return {model: _number(parameter, *_pair(parameter, a, b, model)) for model in models}
    if parameter.range is None:
        if a != b:
            raise ValueError("true and false have no mean")
        return bool(a)
    return _number(parameter, a, b)


def _pair(parameter: Parameter, a: Values, b: Values, model: str) -> tuple[float, float]:
    """The values of a model in both recipes; one without it has weight 0, else the other's."""
    if parameter.name == "weight":
        return a.get(model, 0.0), b.get(model, 0.0)
    return a.get(model, b.get(model)), b.get(model, a.get(model))


def _number(parameter: Parameter, a: float, b: float) -> float:
    if parameter.range and parameter.range.log and a > 0 and b > 0:
        return math.sqrt(a * b)
    return (a + b) / 2

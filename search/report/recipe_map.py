"""The parameters of a recipe by layer, module class and model, for a heat map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.recipe import ALL_MODULES

if TYPE_CHECKING:
    from workers.recipe import Recipe, Value

ALL = "all models"
"""The name under which a parameter stands that all models share."""


@dataclass(frozen=True)
class RecipeMap:
    """One parameter for one model.

    `values[layer][module]` is None where no group of the recipe has the parameter, and `layers`
    names the rows: a layer, or all layers of a recipe that does not distinguish them.
    """

    parameter: str
    model: str
    layers: tuple[str, ...]
    modules: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


def recipe_maps(recipe: Recipe) -> list[RecipeMap]:
    """A map for each number of a recipe, in the order of its parameters and models.

    Groups of tensors by name are left out: which layers they cover only the models say.
    """
    depth = max((group.layers[1] for group in recipe.groups if group.layers), default=1)
    layers = tuple(map(str, range(depth))) if depth > 1 else ("all layers",)
    modules = _modules(recipe)
    cells = [[_parameters(recipe, layer, module) for module in modules] for layer in range(depth)]
    keys = dict.fromkeys(key for row in cells for cell in row for key in cell)
    return [
        RecipeMap(
            *key, layers, modules, tuple(tuple(cell.get(key) for cell in row) for row in cells)
        )
        for key in keys
    ]


def _modules(recipe: Recipe) -> tuple[str, ...]:
    """The module classes that groups name, and one word for those that no group names."""
    named = {module for group in recipe.groups for module in group.modules or ()}
    shown = tuple(module for module in ALL_MODULES if module in named)
    if all(group.modules for group in recipe.groups):
        return shown
    return (*shown, "others") if shown else ("all modules",)


def _parameters(recipe: Recipe, layer: int, module: str) -> dict[tuple[str, str], float]:
    for group in recipe.groups:
        if group.names is None and group.covers(layer, module, ""):
            return _numbers(group.parameters)
    return {}


def _numbers(parameters: Mapping[str, Value]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            found |= {(name, model): number for model, number in value.items()}
        elif not isinstance(value, bool):
            found[name, ALL] = value
    return found

"""The trials every run begins with: what a user would try by hand, and what a pick must beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.recipe import Group, Recipe, Value

if TYPE_CHECKING:
    from search.space import Space

BASE, UNIFORM = "base", "uniform soup"


@dataclass(frozen=True)
class FirstTrial:
    """A known recipe, and the point of the space that gives it, if there is one."""

    label: str
    recipe: Recipe
    params: dict[str, Any] | None


def first_trials(space: Space) -> list[FirstTrial]:
    """The base, every model alone, and the uniform soup, in this order."""
    return [
        FirstTrial(BASE, _alone(space, BASE), None),
        *(_placed(space, name, _alone(space, name)) for name in space.models),
        _placed(space, UNIFORM, _soup(space)),
    ]


def _alone(space: Space, name: str) -> Recipe:
    source = space.base if name == BASE else space.models[name]
    return Recipe("passthrough", {name: source}, base=space.base, seed=space.seed)


def _soup(space: Space) -> Recipe:
    weights = dict.fromkeys(space.models, 1.0)
    return Recipe("linear", space.models, (Group({"weight": weights}),), space.base, space.seed)


def _placed(space: Space, label: str, recipe: Recipe) -> FirstTrial:
    """The same model as a point of the space, so that the sampler can learn from it."""
    for equal in _spellings(space, recipe):
        try:
            params = space.params(equal)
        except ValueError:
            continue
        return FirstTrial(label, space.recipe(params), params)
    return FirstTrial(label, recipe, None)


def _spellings(space: Space, recipe: Recipe) -> Iterator[Recipe]:
    """Recipes that give the same bytes as this one."""
    yield recipe
    if recipe.method == "passthrough":
        (name,) = recipe.models
        weight: dict[str, Value] = {"weight": {name: 1.0}}
        yield Recipe("linear", recipe.models, (Group(weight),), space.base, space.seed)
        others = {"weight": {model: float(model == name) for model in space.models}}
        yield Recipe("linear", space.models, (Group(others),), space.base, space.seed)

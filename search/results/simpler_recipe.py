"""Steps that make a recipe shorter: fewer groups, equal values, fewer models, rounder numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from workers.recipe import Group, Recipe, depth_of, module_of

if TYPE_CHECKING:
    from workers.recipe import Value

SMALL = 0.1
"""Of the largest weight: a model below it may be left out."""


@dataclass(frozen=True)
class Step:
    """One way to make a recipe shorter."""

    name: str
    change: Callable[[Recipe], Recipe]

    def apply(self, recipe: Recipe) -> Recipe | None:
        """The changed recipe; None if it is the same, or no recipe of its method."""
        try:
            changed = collapsed(self.change(recipe))
        except ValueError:  # such as no model with a weight
            return None
        return None if changed.digest == recipe.digest else changed


@dataclass(frozen=True)
class Tensors:
    """The tensors that a recipe's groups are of."""

    entries: Mapping[str, int]
    """Tensor -> its number of entries."""
    n_layers: int

    def sizes(self, recipe: Recipe) -> list[int]:
        """Entries in each group."""
        found = [0] * len(recipe.groups)
        for name, count in self.entries.items():
            where = depth_of(name, self.n_layers), module_of(name), name
            found[next(i for i, each in enumerate(recipe.groups) if each.covers(*where))] += count
        return found


def steps(recipe: Recipe, tensors: Tensors) -> list[Step]:
    """What to try, the largest steps first."""
    names = _names(recipe)
    models = [
        Step(f"without {model}", partial(_without, model=model))
        for model in (recipe.models if len(recipe.models) > 1 else ())
    ]
    rounded = [
        Step(f"{name} to {text}", partial(_rounded, names=[name], decimals=decimals))
        for decimals, text in ((1, "1 decimal"), (2, "2 decimals"))
        for name in names
    ]
    all_rounded = Step("all numbers to 1 decimal", partial(_rounded, names=names, decimals=1))
    equal = [*_equal_in_groups(recipe, tensors), *_equal_for_models(recipe)]
    return [*equal, *models, all_rounded, *rounded, *models]


def count_numbers(recipe: Recipe) -> int:
    """How many numbers are in the groups of a recipe."""
    values = [value for group in recipe.groups for value in group.parameters.values()]
    return sum(
        len(value) if isinstance(value, Mapping) else not isinstance(value, bool)
        for value in values
    )


def collapsed(recipe: Recipe) -> Recipe:
    """The same merge with fewer groups, where some have equal parameters."""
    groups = _with(recipe, _names(recipe), _shortest)
    return replace(recipe, groups=tuple(_collapsed(groups)))


def _collapsed(groups: Sequence[Group]) -> Sequence[Group]:
    if all(each.parameters == groups[0].parameters for each in groups):
        return [Group(groups[0].parameters)]
    if not _is_grid(groups):
        return groups
    by_layers = {each.layers: replace(each, modules=None) for each in groups}
    if all(each.parameters == by_layers[each.layers].parameters for each in groups):
        return list(by_layers.values())
    by_modules = {each.modules: replace(each, layers=None) for each in groups}
    if all(each.parameters == by_modules[each.modules].parameters for each in groups):
        return list(by_modules.values())
    return groups


def _is_grid(groups: Sequence[Group]) -> bool:
    """Whether the groups are all pairs of some layers and some modules."""
    if any(group.names is not None for group in groups):
        return False
    pairs = [(group.layers, group.modules) for group in groups]
    every = set(product({pair[0] for pair in pairs}, {pair[1] for pair in pairs}))
    return set(pairs) == every and len(pairs) == len(every)


def _shortest(value: Value) -> Value:
    """One number in place of equal ones for all models."""
    if isinstance(value, Mapping) and len(set(value.values())) == 1:
        return next(iter(value.values()))
    return value


def _equal_in_groups(recipe: Recipe, tensors: Tensors) -> Iterator[Step]:
    if len(recipe.groups) < 2:
        return
    names = _names(recipe)
    tied = partial(_tied, tensors=tensors)
    yield Step("the same in all tensors", partial(tied, names=names))
    if _is_grid(recipe.groups):
        yield Step("the same in all layers", partial(tied, names=names, alike="modules"))
        yield Step("the same in all modules", partial(tied, names=names, alike="layers"))
    for name in names if len(names) > 1 else ():
        yield Step(f"{name} the same in all tensors", partial(tied, names=[name]))


def _tied(
    recipe: Recipe, tensors: Tensors, names: Sequence[str], alike: str | None = None
) -> Recipe:
    """The mean of each parameter over all groups, or over those with equal `alike`."""
    sizes = tensors.sizes(recipe)
    members: dict[Any, list[int]] = {}
    for i, group in enumerate(recipe.groups):
        members.setdefault(getattr(group, alike) if alike else None, []).append(i)
    groups = list(recipe.groups)
    for some, name in product(members.values(), names):
        values = [groups[i].parameters.get(name) for i in some]
        mean = _mean(values, [sizes[i] for i in some], list(recipe.models))
        for i in some if mean is not None else ():
            groups[i] = replace(groups[i], parameters={**groups[i].parameters, name: mean})
    return replace(recipe, groups=tuple(groups))


def _mean(values: Sequence[Any], sizes: Sequence[int], models: Sequence[str]) -> Value | None:
    """The weighted mean of numbers, single or per model; None if some are missing or booleans."""
    if any(value is None or isinstance(value, bool) for value in values) or not sum(sizes):
        return None
    means = {
        model: math.fsum(
            size * _of_model(value, model) for size, value in zip(sizes, values, strict=True)
        )
        / sum(sizes)
        for model in models
    }
    return means if any(isinstance(v, Mapping) for v in values) else next(iter(means.values()))


def _equal_for_models(recipe: Recipe) -> Iterator[Step]:
    for name in _names(recipe):
        values = [group.parameters.get(name) for group in recipe.groups]
        if any(isinstance(value, Mapping) and len(value) > 1 for value in values):
            yield Step(f"{name} the same for all models", partial(_equal, name=name))


def _equal(recipe: Recipe, name: str) -> Recipe:
    def mean(value: Value) -> Value:
        return math.fsum(value.values()) / len(value) if isinstance(value, Mapping) else value

    return replace(recipe, groups=_with(recipe, [name], mean))


def _without(recipe: Recipe, model: str) -> Recipe:
    """Without a model of little weight; unchanged if its weight is not little."""
    weights = {
        name: max(abs(_of_model(g.parameters.get("weight", 1.0), name)) for g in recipe.groups)
        for name in recipe.models
    }
    if weights.get(model, math.inf) > SMALL * max(weights.values()):
        return recipe

    def others(value: Value) -> Value:
        if not isinstance(value, Mapping):
            return value
        return {name: number for name, number in value.items() if name != model}

    models = {name: source for name, source in recipe.models.items() if name != model}
    return replace(recipe, models=models, groups=_with(recipe, _names(recipe), others))


def _rounded(recipe: Recipe, names: Sequence[str], decimals: int) -> Recipe:
    def rounded(value: Value) -> Value:
        if isinstance(value, Mapping):
            return {model: round(number, decimals) for model, number in value.items()}
        return value if isinstance(value, bool) else round(value, decimals)

    return replace(recipe, groups=_with(recipe, names, rounded))


def _with(
    recipe: Recipe, names: Sequence[str], change: Callable[[Value], Value]
) -> tuple[Group, ...]:
    """The groups with these parameters changed."""
    return tuple(
        replace(
            group,
            parameters={
                name: change(value) if name in names else value
                for name, value in group.parameters.items()
            },
        )
        for group in recipe.groups
    )


def _names(recipe: Recipe) -> list[str]:
    return list(dict.fromkeys(name for group in recipe.groups for name in group.parameters))


def _of_model(value: Value, model: str) -> float:
    return float(value[model]) if isinstance(value, Mapping) else float(value)

"""Params ↔ recipe: the only place that knows how a sampled number is named."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from evaluators.settings import SettingsError
from search.space.axis import Axis
from search.space.layout import Layout, Place, places
from search.space.numbers import Number, numbers
from search.space.settings import Membership, SpaceSettings
from workers.methods import METHODS, Method
from workers.recipe import MODULES, Group, Recipe, Source, Value

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Space:
    """All parameters of a run.

    Raises:
        SettingsError: on `axes`, if the settings contradict the methods, the models or each other;
            it has every fault.
    """

    methods: tuple[str, ...]
    models: Mapping[str, Source]
    base: Source
    n_layers: int
    settings: SpaceSettings = field(default_factory=SpaceSettings)
    seed: int = 0

    @cached_property
    def axes(self) -> dict[str, Axis]:
        """Every axis by name, in a fixed order."""
        if faults := [*self._method_faults(), *self._membership_faults(), *self._number_faults()]:
            raise SettingsError(faults)
        axes: list[Axis] = []
        if len(self.methods) > 1:
            axes.append(Axis("method", choices=self.methods))
        axes += [Axis(f"include[{name}]", choices=(True, False)) for name in self._optional]
        if len(self._pairs) > 1 and any(_takes_two(METHODS[name]) for name in self.methods):
            axes.append(Axis("pair", choices=tuple(self._pairs)))
        for number in self._numbers.values():
            axes += number.axes
        return {axis.name: axis for axis in axes}

    def recipe(self, params: Params) -> Recipe:
        """The recipe of one sampled point, in as few groups as say it."""
        method = METHODS[params.get("method", self.methods[0])]
        members = self._members(method, params)
        groups = tuple(
            Group(
                self._values(method, members, params, (layers[0], modules[0])),
                layers if layers != (0, self.n_layers) else None,
                modules if modules != MODULES else None,
            )
            for layers, modules in self._places(method)
        )
        if all(group.parameters == groups[0].parameters for group in groups):
            groups = (Group(groups[0].parameters),)
        return Recipe(
            method=method.name,
            models={name: self.models[name] for name in members},
            groups=groups,
            base=self.base,
            seed=self.seed,
        )

    def params(self, recipe: Recipe) -> dict[str, Any]:
        """The point that gives this recipe; what its method ignores is put in the middle.

        Raises:
            ValueError: if no point of the space gives it.
        """
        wanted = {name: axis.centre for name, axis in self.axes.items()}
        found = {**dict(self._choices(recipe)), **dict(self._read(recipe))}
        wanted |= {name: value for name, value in found.items() if name in wanted}
        outside = [name for name, axis in self.axes.items() if not axis.holds(wanted[name])]
        if outside or not self._same(self.recipe(wanted), recipe):
            raise ValueError(
                f"no point of the space gives this recipe ({outside or 'other shape'})"
            )
        return wanted

    # -- what there is to vary

    @cached_property
    def _numbers(self) -> dict[str, Number]:
        return numbers(self.methods, tuple(self.models), self.settings, self.n_layers)

    @property
    def _membership(self) -> Membership:
        return self.settings.membership

    @property
    def _optional(self) -> list[str]:
        """The models that a recipe may leave out."""
        chosen = self._membership.optional
        return list(self.models) if chosen is None else chosen

    @cached_property
    def _pairs(self) -> dict[str, tuple[str, str]]:
        return {f"{a}+{b}": (a, b) for a, b in itertools.combinations(self.models, 2)}

    def _places(self, method: Method) -> list[tuple[tuple[int, int], tuple[str, ...]]]:
        layouts = [self._numbers[name].layout for name in method.parameters if self._has(name)]
        return places([*layouts, Layout(self.n_layers, ((0, self.n_layers),), False, ())])

    def _has(self, parameter: str) -> bool:
        return parameter in self._numbers

    def _method_faults(self) -> Iterator[str]:
        for name in self.methods:
            least, most = METHODS[name].models
            if most == 1:
                yield f"methods: {name} merges nothing; every model alone is tried anyway"
            elif len(self.models) < least:
                yield f"methods: {name} needs {least} models, and there are {len(self.models)}"

    def _membership_faults(self) -> Iterator[str]:
        where = "space.membership"
        for name in self._optional:
            if name not in self.models:
                yield f"{where}.optional: {name!r} is no model; there are {', '.join(self.models)}"
        if self._membership.least > len(self.models):
            yield f"{where}.least: {self._membership.least} of {len(self.models)} models"

    def _number_faults(self) -> tuple[str, ...]:
        try:
            _ = self._numbers
        except SettingsError as error:
            return error.errors
        return ()

    # -- from params to a recipe

    def _members(self, method: Method, params: Params) -> Sequence[str]:
        if _takes_two(method):
            return self._pairs[params["pair"]] if len(self._pairs) > 1 else tuple(self.models)
        drawn = tuple(name for name in self.models if params.get(f"include[{name}]", True))
        # too few members means everyone: a sampler may draw it, and a merge needs somebody
        enough = len(drawn) >= max(self._membership.least, method.models[0])
        return drawn if enough else tuple(self.models)

    def _values(
        self, method: Method, members: Sequence[str], params: Params, place: Place
    ) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, parameter in method.parameters.items():
            if self._has(name):
                number = self._numbers[name]
                values[name] = (
                    {model: number.at(model, place, params) for model in members}
                    if parameter.per_model
                    else number.at(None, place, params)
                )
        return self._mended(method, values)

    @staticmethod
    def _mended(method: Method, values: dict[str, Value]) -> dict[str, Value]:
        """Where weights are shares of their sum: all of them 0 are alike, and so is one alone."""
        weights = values.get("weight")
        if not isinstance(weights, Mapping) or method.needs_base:
            return values
        if len(weights) == 1 or not any(weights.values()):
            return {**values, "weight": dict.fromkeys(weights, 1.0)}
        return values

    # -- and back

    def _choices(self, recipe: Recipe) -> Iterator[tuple[str, str | bool]]:
        yield "method", recipe.method
        if _takes_two(METHODS[recipe.method]):
            yield "pair", "+".join(recipe.models)
        else:
            yield from ((f"include[{name}]", name in recipe.models) for name in self._optional)

    def _read(self, recipe: Recipe) -> Iterator[tuple[str, float]]:
        """Every number of the recipe, by the axis it comes from."""
        for name, number in self._numbers.items():
            parameter = METHODS[recipe.method].parameters.get(name)
            if parameter is None:
                continue
            for axis, model, place in number.sources:
                if model is None or model in recipe.models or not parameter.per_model:
                    value = _covering(recipe, place).get(name, parameter.default)
                    if isinstance(value, Mapping):
                        value = value[model or next(iter(recipe.models))]
                    if value is not None:
                        yield axis, float(value)

    def _same(self, ours: Recipe, other: Recipe) -> bool:
        """Whether two recipes say the same, though they may say it in other groups."""
        by_name = any(group.names is not None for group in other.groups)
        if by_name or _head(ours) != _head(other):
            return False
        method, names = METHODS[ours.method], list(ours.models)
        return all(
            method.bind(_covering(ours, place), names)
            == method.bind(_covering(other, place), names)
            for place in itertools.product(range(self.n_layers), MODULES)
        )


def _head(recipe: Recipe) -> tuple[object, ...]:
    """All of a recipe but its groups; the order of the models counts, sums depend on it."""
    models = [(name, source.identity()) for name, source in recipe.models.items()]
    base = recipe.base.identity() if recipe.base else None
    scalars = (recipe.seed, recipe.dtype, recipe.compat, recipe.tokenizer)
    return recipe.method, models, base, *scalars


def _covering(recipe: Recipe, place: Place) -> Mapping[str, Value]:
    """The parameters that hold at a place.

    Raises:
        ValueError: if no group covers it.
    """
    for group in recipe.groups:
        if group.covers(*place, name=""):
            return group.parameters
    raise ValueError(f"no group of the recipe covers layer {place[0]}, {place[1]}")


def _takes_two(method: Method) -> bool:
    return method.models == (2, 2)

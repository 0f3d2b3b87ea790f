"""The search space: turns a sampled point into a recipe, and a recipe into its point."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from evaluators.settings import SettingsError
from search.space.axis import Axis
from search.space.layout import Layout, Position, constant_regions
from search.space.parameters import SearchedParameter, searched_parameters
from search.space.settings import Membership, SpaceSettings
from workers.methods import METHODS, Method
from workers.recipe import ALL_MODULES, MODULES, Group, Recipe, Source, TokenizerChoice, Value

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Space:
    """All parameters of a run.

    Raises:
        SettingsError: on `axes`, with every error, if the settings contradict the methods, the
            models or each other.
    """

    methods: tuple[str, ...]
    models: Mapping[str, Source]
    base: Source
    n_layers: int
    settings: SpaceSettings = field(default_factory=SpaceSettings)
    seed: int = 0
    tokenizer: TokenizerChoice | None = None
    """Of every recipe: the choice over all models, also those that a recipe leaves out."""
    chat_template: str | None = None
    generation_config: str | None = None

    @cached_property
    def axes(self) -> dict[str, Axis]:
        """Every axis by name, in a fixed order."""
        errors = [*self._method_errors(), *self._membership_errors(), *self._parameter_errors()]
        if errors:
            raise SettingsError(errors)
        axes: list[Axis] = []
        if len(self.methods) > 1:
            axes.append(Axis("method", choices=self.methods))
        axes += [Axis(f"include[{name}]", choices=(True, False)) for name in self._optional]
        if len(self.pairs) > 1 and any(_merges_two(METHODS[name]) for name in self.methods):
            axes.append(Axis("pair", choices=tuple(self.pairs)))
        for parameter in self.parameters.values():
            axes += parameter.axes
        return {axis.name: axis for axis in axes}

    def recipe(self, params: Params) -> Recipe:
        """The recipe of a point; one group if its values are the same everywhere."""
        method = METHODS[params.get("method", self.methods[0])]
        members = self._members(method, params)
        groups = tuple(
            Group(
                self._values(method, members, params, (layers[0], modules[0])),
                layers if layers != (0, self.n_layers) else None,
                modules if modules != MODULES else None,
            )
            for layers, modules in self._regions(method)
        )
        if all(group.parameters == groups[0].parameters for group in groups):
            groups = (Group(groups[0].parameters),)
        return self.merge(method.name, {name: self.models[name] for name in members}, groups)

    def merge(
        self, method: str, models: Mapping[str, Source], groups: tuple[Group, ...] = (Group({}),)
    ) -> Recipe:
        """A recipe with all that every recipe of the run has."""
        return Recipe(
            method,
            models,
            groups,
            base=self.base,
            seed=self.seed,
            tokenizer=self.tokenizer,
            chat_template=self.chat_template,
            generation_config=self.generation_config,
        )

    def params(self, recipe: Recipe) -> dict[str, Any]:
        """The point of this recipe; axes that its method does not use are at their centre.

        Raises:
            ValueError: if no point of the space has this recipe.
        """
        point = {name: axis.centre for name, axis in self.axes.items()}
        found = {**dict(self._choices_of(recipe)), **dict(self._numbers_of(recipe))}
        point |= {name: value for name, value in found.items() if name in point}
        outside = [name for name, axis in self.axes.items() if not axis.holds(point[name])]
        if outside or not self._is_same(self.recipe(point), recipe):
            raise ValueError(f"no point of the space has this recipe ({outside or 'other shape'})")
        return point

    # -- axes

    @cached_property
    def parameters(self) -> dict[str, SearchedParameter]:
        """The numeric parameters by name."""
        return searched_parameters(self.methods, tuple(self.models), self.settings, self.n_layers)

    @property
    def _membership(self) -> Membership:
        return self.settings.membership

    @property
    def least_members(self) -> int:
        """How many models take part in every recipe at least."""
        return self._membership.least

    @property
    def _optional(self) -> list[str]:
        """The models that a recipe may leave out."""
        chosen = self._membership.optional
        return list(self.models) if chosen is None else chosen

    @cached_property
    def pairs(self) -> dict[str, tuple[str, str]]:
        """The values of the `pair` axis, and the two models of each."""
        return {f"{a}+{b}": (a, b) for a, b in itertools.combinations(self.models, 2)}

    def _regions(self, method: Method) -> list[tuple[tuple[int, int], tuple[str, ...]]]:
        layouts = [self.parameters[name].layout for name in method.parameters if self._has(name)]
        return constant_regions([*layouts, Layout(self.n_layers, ((0, self.n_layers),), False, ())])

    def _has(self, parameter: str) -> bool:
        return parameter in self.parameters

    def _method_errors(self) -> Iterator[str]:
        for name in self.methods:
            least, most = METHODS[name].models
            if most == 1:
                yield f"methods: {name} merges nothing; each model alone is a baseline anyway"
            elif len(self.models) < least:
                yield f"methods: {name} needs {least} models, not {len(self.models)}"

    def _membership_errors(self) -> Iterator[str]:
        where = "space.membership"
        for name in self._optional:
            if name not in self.models:
                known = ", ".join(self.models)
                yield f"{where}.optional: {name!r} is not a model; there are {known}"
        if self._membership.least > len(self.models):
            yield f"{where}.least: {self._membership.least} of {len(self.models)} models"

    def _parameter_errors(self) -> tuple[str, ...]:
        try:
            _ = self.parameters
        except SettingsError as error:
            return error.errors
        return ()

    # -- point to recipe

    def _members(self, method: Method, params: Params) -> Sequence[str]:
        if _merges_two(method):
            return self.pairs[params["pair"]] if len(self.pairs) > 1 else tuple(self.models)
        included = tuple(name for name in self.models if params.get(f"include[{name}]", True))
        # a sampler may include too few models: then all take part
        is_enough = len(included) >= max(self._membership.least, method.models[0])
        return included if is_enough else tuple(self.models)

    def _values(
        self, method: Method, members: Sequence[str], params: Params, position: Position
    ) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, parameter in method.parameters.items():
            if self._has(name):
                searched = self.parameters[name]
                values[name] = (
                    {model: searched.value_at(model, position, params) for model in members}
                    if parameter.per_model
                    else searched.value_at(None, position, params)
                )
        return self._normalised(method, values)

    @staticmethod
    def _normalised(method: Method, values: dict[str, Value]) -> dict[str, Value]:
        """Weights to be divided by their sum: all zero means equal ones; one alone becomes 1."""
        weights = values.get("weight")
        if not isinstance(weights, Mapping) or method.needs_base:
            return values
        if len(weights) == 1 or not any(weights.values()):
            return {**values, "weight": dict.fromkeys(weights, 1.0)}
        return values

    # -- recipe to point

    def _choices_of(self, recipe: Recipe) -> Iterator[tuple[str, str | bool]]:
        yield "method", recipe.method
        if _merges_two(METHODS[recipe.method]):
            yield "pair", "+".join(recipe.models)
        else:
            yield from ((f"include[{name}]", name in recipe.models) for name in self._optional)

    def _numbers_of(self, recipe: Recipe) -> Iterator[tuple[str, float]]:
        """Every axis that the recipe's method uses, with its number in the recipe."""
        for name, searched in self.parameters.items():
            parameter = METHODS[recipe.method].parameters.get(name)
            if parameter is None:
                continue
            for axis, model, position in searched.sources:
                if model is None or model in recipe.models or not parameter.per_model:
                    value = _parameters_at(recipe, position).get(name, parameter.default)
                    if isinstance(value, Mapping):
                        value = value[model or next(iter(recipe.models))]
                    if value is not None:
                        yield axis, float(value)

    def _is_same(self, one: Recipe, other: Recipe) -> bool:
        """Whether two recipes give the same merge, perhaps with different groups."""
        by_name = any(group.names is not None for group in other.groups)
        if by_name or _without_groups(one) != _without_groups(other):
            return False
        method, names = METHODS[one.method], list(one.models)
        return all(
            method.bind(_parameters_at(one, position), names)
            == method.bind(_parameters_at(other, position), names)
            for position in itertools.product(range(self.n_layers), ALL_MODULES)
        )


def _without_groups(recipe: Recipe) -> tuple[object, ...]:
    """All of a recipe except its groups; sums depend on the order of the models."""
    models = [(name, source.identity()) for name, source in recipe.models.items()]
    base = recipe.base.identity() if recipe.base else None
    texts = (recipe.tokenizer, recipe.chat_template, recipe.generation_config)
    return recipe.method, models, base, recipe.seed, recipe.dtype, recipe.compat, *texts


def _parameters_at(recipe: Recipe, position: Position) -> Mapping[str, Value]:
    """The parameters at a position.

    Raises:
        ValueError: if no group of the recipe covers it.
    """
    for group in recipe.groups:
        if group.covers(*position, name=""):
            return group.parameters
    raise ValueError(f"no group of the recipe covers layer {position[0]}, {position[1]}")


def _merges_two(method: Method) -> bool:
    return method.models == (2, 2)

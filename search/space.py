"""Params ↔ recipe: the only place that knows how a sampled number is named.

A space is a flat set of axes. `method` is an axis like any other, and methods share the axes of the
parameters that mean the same to them, so a sampler can cross a TIES recipe with a DARE one:

    method                    which merge method
    include[reverse]          whether this model takes part (with `membership: true`)
    pair                      which two models, for methods that take exactly two
    weight[reverse].mlp.1     a per-model parameter of one module class in the second depth group
    lambda                    a parameter with one value for the whole model
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, PositiveInt

from evaluators.settings import Settings
from workers.methods import METHODS, Method, Parameter
from workers.recipe import MODULES, Group, Recipe, Source, Value

Params = Mapping[str, Any]


class Depth(Settings):
    """How parameters vary along depth: in `groups` equal ranges of layers."""

    groups: PositiveInt = 1


class ParameterSettings(Settings):
    """One parameter's own choice: its range, or one fixed value, and whether it varies."""

    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    value: float | None = None
    vary: bool | None = None
    """Along depth and by module; by default weight and t do, the rest have one value."""


Narrowing = Annotated[list[float], Field(min_length=2, max_length=2)] | float | ParameterSettings


class SpaceSettings(Settings):
    """What is searched: depth groups, module classes, membership, narrower ranges."""

    depth: Depth = Depth()
    modules: tuple[str, ...] = ()
    """Module classes with parameters of their own; all others share one more."""
    membership: bool = False
    weight: Narrowing | None = None
    density: Narrowing | None = None
    gamma: Narrowing | None = None
    t: Narrowing | None = None
    lambda_: Annotated[Narrowing | None, Field(alias="lambda")] = None

    def of(self, parameter: str) -> ParameterSettings:
        """The choice for one parameter, whichever way it was written."""
        given = getattr(self, "lambda_" if parameter == "lambda" else parameter, None)
        if isinstance(given, list):
            return ParameterSettings(range=given)
        if isinstance(given, int | float):
            return ParameterSettings(value=float(given))
        return given or ParameterSettings()


@dataclass(frozen=True)
class Axis:
    """One searched number or choice: a range, or the choices."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[str | bool, ...] = ()

    @property
    def centre(self) -> float | str | bool:
        """What a parameter that the method ignores is set to."""
        if self.choices:
            return self.choices[0]
        return float((self.low * self.high) ** 0.5 if self.log else (self.low + self.high) / 2)

    def holds(self, value: Any) -> bool:
        """Whether the value lies on this axis."""
        return value in self.choices if self.choices else bool(self.low <= value <= self.high)


@dataclass(frozen=True)
class Cell:
    """A group of tensors that share parameters, and the suffix that names it."""

    layers: tuple[int, int] | None
    modules: tuple[str, ...] | None
    suffix: str


@dataclass(frozen=True)
class Space:
    """All parameters of a run.

    Raises:
        ValueError: on `axes`, if the settings contradict the methods or each other.
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
        axes: list[Axis] = []
        if len(self.methods) > 1:
            axes.append(Axis("method", choices=self.methods))
        if self._has_membership:
            axes += [Axis(f"include[{name}]", choices=(True, False)) for name in self.models]
        if len(self._pairs) > 1 and any(_takes_two(METHODS[name]) for name in self.methods):
            axes.append(Axis("pair", choices=tuple(self._pairs)))
        for name in self._searched:
            axes += self._axes_of(name)
        return {axis.name: axis for axis in axes}

    def recipe(self, params: Params) -> Recipe:
        """The recipe of one sampled point."""
        method = METHODS[params.get("method", self.methods[0])]
        members = self._members(method, params)
        groups = tuple(
            Group(self._values(method, members, params, cell), cell.layers, cell.modules)
            for cell in self._cells
        )
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
        wanted |= dict(self._choices(recipe))
        for cell, group in zip(self._cells, self._regroup(recipe), strict=True):
            for name, value in group.parameters.items():
                wanted |= {
                    axis: number
                    for axis, number in self._numbers(name, value, cell)
                    if axis in self.axes
                }
        outside = [name for name, axis in self.axes.items() if not axis.holds(wanted[name])]
        if outside or not self._same(self.recipe(wanted), recipe):
            raise ValueError(
                f"no point of the space gives this recipe ({outside or 'other shape'})"
            )
        return wanted

    # -- what there is to vary

    @property
    def _has_membership(self) -> bool:
        return self.settings.membership and len(self.models) > 1

    @cached_property
    def _pairs(self) -> dict[str, tuple[str, str]]:
        return {f"{a}+{b}": (a, b) for a, b in itertools.combinations(self.models, 2)}

    @cached_property
    def _searched(self) -> dict[str, Parameter]:
        """Each searchable parameter of the methods, once, by name."""
        return {
            name: parameter
            for method in self.methods
            for name, parameter in METHODS[method].parameters.items()
            if parameter.range is not None
        }

    @cached_property
    def _cells(self) -> tuple[Cell, ...]:
        return tuple(
            Cell(layers, modules, module + depth)
            for layers, depth in self._depths()
            for modules, module in self._module_classes()
        )

    def _depths(self) -> list[tuple[tuple[int, int] | None, str]]:
        count = self.settings.depth.groups
        if count > self.n_layers:
            raise ValueError(
                f"space.depth.groups: {count} groups, but the models have {self.n_layers} layers"
            )
        if count == 1:
            return [(None, "")]
        edges = [round(i * self.n_layers / count) for i in range(count + 1)]
        return [((a, b), f".{i}") for i, (a, b) in enumerate(itertools.pairwise(edges))]

    def _module_classes(self) -> list[tuple[tuple[str, ...] | None, str]]:
        own = self.settings.modules
        if not own:
            return [(None, "")]
        rest = tuple(name for name in MODULES if name not in own)
        return [((name,), f".{name}") for name in own] + ([(rest, ".rest")] if rest else [])

    def _varies(self, parameter: str) -> bool:
        chosen = self.settings.of(parameter).vary
        return parameter in ("weight", "t") if chosen is None else chosen

    def _axes_of(self, name: str) -> Iterator[Axis]:
        low, high, log = self._range(name)
        if self.settings.of(name).value is not None:
            return
        suffixes = [cell.suffix for cell in self._cells] if self._varies(name) else [""]
        owners = [f"[{model}]" for model in self.models] if self._searched[name].per_model else [""]
        for owner, suffix in itertools.product(owners, suffixes):
            yield Axis(f"{name}{owner}{suffix}", low, high, log)

    def _range(self, name: str) -> tuple[float, float, bool]:
        """The declared range as far as all its methods allow, or the user's narrower one."""
        declared = [
            METHODS[method].parameters[name].range
            for method in self.methods
            if name in METHODS[method].parameters
        ]
        ranges = [each for each in declared if each is not None]
        low, high = max(each.low for each in ranges), min(each.high for each in ranges)
        chosen = self.settings.of(name)
        if chosen.value is not None and not low <= chosen.value <= high:
            raise ValueError(f"space.{name}: {chosen.value} lies outside [{low}, {high}]")
        if chosen.range:
            if not low <= chosen.range[0] < chosen.range[1] <= high:
                raise ValueError(
                    f"space.{name}: {chosen.range} is not a range within [{low}, {high}]"
                )
            low, high = chosen.range
        return low, high, ranges[0].log

    # -- from params to a recipe

    def _members(self, method: Method, params: Params) -> Sequence[str]:
        if _takes_two(method) and len(self.models) > 2:
            return self._pairs[params["pair"]]
        if not self._has_membership:
            return tuple(self.models)
        # an empty membership means everyone: a sampler may draw it, and a merge needs somebody
        return tuple(name for name in self.models if params[f"include[{name}]"]) or tuple(
            self.models
        )

    def _values(
        self, method: Method, members: Sequence[str], params: Params, cell: Cell
    ) -> dict[str, Value]:
        return {
            name: {model: self._number(name, f"[{model}]", params, cell) for model in members}
            if parameter.per_model
            else self._number(name, "", params, cell)
            for name, parameter in method.parameters.items()
            if parameter.range is not None
        }

    def _number(self, name: str, owner: str, params: Params, cell: Cell) -> float:
        fixed = self.settings.of(name).value
        suffix = cell.suffix if self._varies(name) else ""
        return float(params[f"{name}{owner}{suffix}"] if fixed is None else fixed)

    # -- and back

    def _choices(self, recipe: Recipe) -> Iterator[tuple[str, str | bool]]:
        if "method" in self.axes:
            yield "method", recipe.method
        if "pair" in self.axes and _takes_two(METHODS[recipe.method]):
            yield "pair", "+".join(recipe.models)
        elif self._has_membership:
            for name in self.models:
                yield f"include[{name}]", name in recipe.models

    def _regroup(self, recipe: Recipe) -> list[Group]:
        """The recipe's groups, one for each cell of this space."""
        if len(recipe.groups) == 1:
            return [recipe.groups[0]] * len(self._cells)
        found = {(group.layers, group.modules): group for group in recipe.groups}
        try:
            return [found[cell.layers, cell.modules] for cell in self._cells]
        except KeyError:
            raise ValueError("the recipe's groups are not those of the space") from None

    def _same(self, ours: Recipe, other: Recipe) -> bool:
        """Whether two recipes say the same, though one may say it in fewer groups."""
        groups = zip(ours.groups, self._regroup(other), strict=True)
        return (
            replace(ours, groups=()).digest == replace(other, groups=()).digest
            and all(a.parameters == b.parameters for a, b in groups)
        )  # fmt: skip

    def _numbers(self, name: str, value: Value, cell: Cell) -> Iterator[tuple[str, float]]:
        suffix = cell.suffix if self._varies(name) else ""
        if isinstance(value, Mapping):
            for model, number in value.items():
                yield f"{name}[{model}]{suffix}", number
        else:
            yield f"{name}{suffix}", float(value)


def _takes_two(method: Method) -> bool:
    return method.models == (2, 2)

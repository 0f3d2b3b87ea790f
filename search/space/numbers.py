"""The numeric parameters of a space: of each its axes, and its value at any place of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from evaluators.settings import SettingsError, suggestion
from search.space.axis import Axis
from search.space.layout import Layout, Place, layout
from search.space.settings import Depth, ParameterSettings, SpaceSettings
from workers.methods import METHODS, Parameter

ONE_VALUE = Depth(groups=1)
VARYING = ("weight", "t")  # along depth and by module, unless told otherwise


@dataclass(frozen=True)
class Number:
    """One parameter: its range and layout, and what its users fixed or tied.

    Args:
        name: of the axes; that of another parameter when tied to it.
        axis: the range, without an owner.
        owners: per model, whose axes it reads: a model's, a fixed value, or None for everyone's.
    """

    name: str
    layout: Layout
    ranges: Mapping[str | None, Axis]
    """By owner: a model, or None where all models share a value."""
    owners: Mapping[str | None, str | float | None]
    is_alias: bool = False

    @cached_property
    def axes(self) -> list[Axis]:
        """Those that this parameter brings into the space."""
        return [
            Axis(self._named(owner, suffix), each.low, each.high, each.log)
            for owner, each in ([] if self.is_alias else self.ranges.items())
            for suffix in self.layout.suffixes
        ]

    @cached_property
    def sources(self) -> list[tuple[str, str | None, Place]]:
        """(axis, a model that reads it, a place at which it alone decides), for every axis read."""
        return [
            (self._named(owner, suffix), model, place)
            for model, owner in self.owners.items()
            if not isinstance(owner, float)
            for suffix, place in self.layout.suffixes.items()
        ]

    def at(self, model: str | None, place: Place, params: Mapping[str, Any]) -> float:
        """The value for a model (None: for all of them) at a place."""
        owner = self.owners[model]
        if isinstance(owner, float):
            return owner
        shares = self.layout.shares(place)
        return self.ranges[owner].mix(
            (float(params[self._named(owner, suffix)]), share) for suffix, share in shares
        )

    def _named(self, owner: str | None, suffix: str) -> str:
        return f"{self.name}[{owner}]{suffix}" if owner else f"{self.name}{suffix}"


def numbers(
    methods: Sequence[str], models: Sequence[str], settings: SpaceSettings, n_layers: int
) -> dict[str, Number]:
    """Every searchable parameter of the methods, once, by name.

    Raises:
        SettingsError: with every contradiction in the settings.
    """
    declared = dict(_declared(methods))
    chosen = settings.chosen
    faults = [f"{name}: no method of the space takes it" for name in chosen if name not in declared]
    found: dict[str, Number] = {}
    for name, (parameter, axis) in declared.items():
        choice = chosen.get(name, ParameterSettings())
        try:
            if choice.same_as is None:
                cells = _layout(name, choice, settings, n_layers)
                found[name] = _number(
                    parameter, _narrowed(axis, choice.range), cells, choice, models
                )
        except ValueError as error:
            faults.append(f"{name}: {error}")
    for name, choice in chosen.items():
        if choice.same_as is not None and name in declared:
            try:
                found[name] = _tied(found, choice.same_as, *declared[name])
            except ValueError as error:
                faults.append(f"{name}.same_as: {error}")
    if faults:
        raise SettingsError(f"space.{fault}" for fault in faults)
    return {name: found[name] for name in declared}


def _declared(methods: Sequence[str]) -> Iterator[tuple[str, tuple[Parameter, Axis]]]:
    """Each parameter with the range that all its methods allow."""
    users = {
        name: [METHODS[m].parameters[name] for m in methods if name in METHODS[m].parameters]
        for method in methods
        for name in METHODS[method].parameters
    }
    for name, parameters in users.items():
        if ranges := [each.range for each in parameters if each.range is not None]:
            low, high = max(each.low for each in ranges), min(each.high for each in ranges)
            yield name, (parameters[0], Axis(name, low, high, ranges[0].log))


def _layout(name: str, choice: ParameterSettings, settings: SpaceSettings, n_layers: int) -> Layout:
    varies = name in VARYING
    depth = choice.depth or (settings.depth if varies else ONE_VALUE)
    modules = settings.modules if varies else ()
    try:
        return layout(depth, modules if choice.modules is None else choice.modules, n_layers)
    except ValueError as error:
        raise ValueError(f"depth: {error}") from None


def _number(
    parameter: Parameter,
    axis: Axis,
    cells: Layout,
    choice: ParameterSettings,
    models: Sequence[str],
) -> Number:
    name = parameter.name
    if choice.value is not None:
        _check_inside(choice.value, axis)
    if not parameter.per_model:
        if choice.models:
            raise ValueError("models: it has one value for all models")
        ranges: dict[str | None, Axis] = {None: axis} if choice.value is None else {}
        return Number(name, cells, ranges, {None: choice.value})
    if choice.value is not None:
        return Number(name, cells, {}, dict.fromkeys(models, choice.value))
    if not choice.per_model:
        return Number(name, cells, {None: axis}, dict.fromkeys(models))
    owners: dict[str | None, str | float | None] = {
        model: _owner(model, choice, models, axis) for model in models
    }
    own: dict[str | None, Axis] = {
        model: _own_range(model, choice, axis) for model in models if owners[model] == model
    }
    return Number(name, cells, own, owners)


def _owner(model: str, choice: ParameterSettings, models: Sequence[str], axis: Axis) -> str | float:
    """Whose value a model takes: its own, another model's, or a fixed one."""
    for unknown in choice.models.keys() - set(models):
        raise ValueError(f"models: {unknown!r} is no model; {suggestion(unknown, models)}")
    given = choice.models.get(model)
    if isinstance(given, str):
        if given not in models:
            raise ValueError(f"models.{model}: {given!r} is no model; {suggestion(given, models)}")
        if given == model or isinstance(choice.models.get(given), float | str):
            raise ValueError(f"models.{model}: {given} has no value of its own to take")
        return given
    if isinstance(given, float):
        _check_inside(given, axis)
        return given
    return model


def _own_range(model: str, choice: ParameterSettings, axis: Axis) -> Axis:
    given = choice.models.get(model)
    return _narrowed(axis, given) if isinstance(given, list) else axis


def _tied(found: Mapping[str, Number], other: str, parameter: Parameter, axis: Axis) -> Number:
    """A parameter that takes the value of another one."""
    if other not in found or found[other].is_alias:
        known = [name for name, number in found.items() if not number.is_alias]
        raise ValueError(
            f"{other!r} is no parameter with values of its own; {suggestion(other, known)}"
        )
    number = found[other]
    if parameter.per_model == (None in number.owners):
        raise ValueError(f"one of {parameter.name} and {other} is per model and the other is not")
    for owner in number.owners.values():
        if isinstance(owner, float):
            _check_inside(owner, axis)
    for each in number.ranges.values():
        if not (axis.low <= each.low and each.high <= axis.high):
            raise ValueError(
                f"{other} lies in [{each.low:g}, {each.high:g}], {parameter.name} must lie in "
                f"[{axis.low:g}, {axis.high:g}]"
            )
    return replace(number, is_alias=True)


def _narrowed(axis: Axis, given: Sequence[float] | None) -> Axis:
    if given is None:
        return axis
    low, high = given
    if not axis.low <= low < high <= axis.high:
        raise ValueError(f"[{low:g}, {high:g}] is not a range within [{axis.low:g}, {axis.high:g}]")
    return replace(axis, low=low, high=high)


def _check_inside(value: float, axis: Axis) -> None:
    if not axis.holds(value):
        raise ValueError(f"{value:g} lies outside [{axis.low:g}, {axis.high:g}]")

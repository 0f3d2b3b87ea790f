"""The numeric parameters of a space: the axes of each, and its value at any position of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from evaluators.settings import SettingsError, suggestion
from search.space.axis import Axis
from search.space.layout import Layout, Position, make_layout
from search.space.settings import Depth, ParameterSettings, SpaceSettings
from workers.methods import METHODS, Parameter

ONE_VALUE = Depth(groups=1)
VARYING = ("weight", "t")  # by depth and module class, unless set otherwise


@dataclass(frozen=True)
class SearchedParameter:
    """One parameter: its axes, its layout, and the values that the settings fix or tie.

    Args:
        name: used in axis names; for a tied parameter, the name of the other one.
        owners: model -> the model whose axes it uses, a fixed value, or None if all share a value.
    """

    name: str
    layout: Layout
    ranges: Mapping[str | None, Axis]
    """Range by owner: a model, or None if all models share a value."""
    owners: Mapping[str | None, str | float | None]
    is_alias: bool = False

    @cached_property
    def axes(self) -> list[Axis]:
        """The axes that this parameter adds to the space."""
        return [
            Axis(self._axis_name(owner, suffix), each.low, each.high, each.log)
            for owner, each in ([] if self.is_alias else self.ranges.items())
            for suffix in self.layout.suffixes
        ]

    @cached_property
    def sources(self) -> list[tuple[str, str | None, Position]]:
        """(axis, a model that uses it, a position whose value depends on that axis alone)."""
        return [
            (self._axis_name(owner, suffix), model, position)
            for model, owner in self.owners.items()
            if not isinstance(owner, float)
            for suffix, position in self.layout.suffixes.items()
        ]

    def value_at(self, model: str | None, position: Position, params: Mapping[str, Any]) -> float:
        """The value at a position for a model, or for all models (None)."""
        owner = self.owners[model]
        if isinstance(owner, float):
            return owner
        shares = self.shares(owner, position)
        return self.ranges[owner].mix((float(params[axis]), share) for axis, share in shares)

    def shares(self, owner: str | None, position: Position) -> list[tuple[str, float]]:
        """The axes that decide the owner's value at a position, and the share of each."""
        return [
            (self._axis_name(owner, suffix), share)
            for suffix, share in self.layout.shares(position)
        ]

    def _axis_name(self, owner: str | None, suffix: str) -> str:
        return f"{self.name}[{owner}]{suffix}" if owner else f"{self.name}{suffix}"


def searched_parameters(
    methods: Sequence[str], models: Sequence[str], settings: SpaceSettings, n_layers: int
) -> dict[str, SearchedParameter]:
    """The numeric parameters of all methods, by name.

    Raises:
        SettingsError: with every error in the settings.
    """
    declared = dict(_declared(methods))
    chosen = settings.chosen
    errors = [f"{name}: no method of the space has it" for name in chosen if name not in declared]
    found: dict[str, SearchedParameter] = {}
    for name, (parameter, axis) in declared.items():
        choice = chosen.get(name, ParameterSettings())
        try:
            if choice.same_as is None:
                layout = _layout(name, choice, settings, n_layers)
                own_axis = _narrowed(axis, choice.range)
                found[name] = _parameter(parameter, own_axis, layout, choice, models)
        except ValueError as error:
            errors.append(f"{name}: {error}")
    for name, choice in chosen.items():
        if choice.same_as is not None and name in declared:
            try:
                found[name] = _tied(found, choice.same_as, *declared[name])
            except ValueError as error:
                errors.append(f"{name}.same_as: {error}")
    if errors:
        raise SettingsError(f"space.{error}" for error in errors)
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
        return make_layout(depth, modules if choice.modules is None else choice.modules, n_layers)
    except ValueError as error:
        raise ValueError(f"depth: {error}") from None


def _parameter(
    parameter: Parameter,
    axis: Axis,
    layout: Layout,
    choice: ParameterSettings,
    models: Sequence[str],
) -> SearchedParameter:
    name = parameter.name
    if choice.value is not None:
        _check_inside(choice.value, axis)
    if not parameter.per_model:
        if choice.models:
            raise ValueError("models: it has one value for all models")
        ranges: dict[str | None, Axis] = {None: axis} if choice.value is None else {}
        return SearchedParameter(name, layout, ranges, {None: choice.value})
    if choice.value is not None:
        return SearchedParameter(name, layout, {}, dict.fromkeys(models, choice.value))
    if not choice.per_model:
        return SearchedParameter(name, layout, {None: axis}, dict.fromkeys(models))
    owners: dict[str | None, str | float | None] = {
        model: _owner(model, choice, models, axis) for model in models
    }
    own: dict[str | None, Axis] = {
        model: _own_range(model, choice, axis) for model in models if owners[model] == model
    }
    return SearchedParameter(name, layout, own, owners)


def _owner(model: str, choice: ParameterSettings, models: Sequence[str], axis: Axis) -> str | float:
    """Whose value a model uses: its own, that of another model, or a fixed value."""
    for unknown in choice.models.keys() - set(models):
        raise ValueError(f"models: {unknown!r} is not a model; {suggestion(unknown, models)}")
    given = choice.models.get(model)
    if isinstance(given, str):
        if given not in models:
            raise ValueError(
                f"models.{model}: {given!r} is not a model; {suggestion(given, models)}"
            )
        if given == model or isinstance(choice.models.get(given), float | str):
            raise ValueError(f"models.{model}: {given} has no value of its own")
        return given
    if isinstance(given, float):
        _check_inside(given, axis, f"models.{model}: ")
        return given
    return model


def _own_range(model: str, choice: ParameterSettings, axis: Axis) -> Axis:
    given = choice.models.get(model)
    return _narrowed(axis, given, f"models.{model}: ") if isinstance(given, list) else axis


def _tied(
    found: Mapping[str, SearchedParameter], other: str, parameter: Parameter, axis: Axis
) -> SearchedParameter:
    """A parameter that has the value of another one (`same_as`)."""
    if other not in found or found[other].is_alias:
        known = [name for name, each in found.items() if not each.is_alias]
        raise ValueError(
            f"{other!r} is not a parameter with values of its own; {suggestion(other, known)}"
        )
    target = found[other]
    if parameter.per_model == (None in target.owners):
        raise ValueError(f"one of {parameter.name} and {other} is per model and the other is not")
    for owner in target.owners.values():
        if isinstance(owner, float):
            _check_inside(owner, axis)
    for each in target.ranges.values():
        if not (axis.low <= each.low and each.high <= axis.high):
            raise ValueError(
                f"{other} lies in [{each.low:g}, {each.high:g}], {parameter.name} must lie in "
                f"[{axis.low:g}, {axis.high:g}]"
            )
    return replace(target, is_alias=True)


def _narrowed(axis: Axis, given: Sequence[float] | None, where: str = "") -> Axis:
    if given is None:
        return axis
    low, high = given
    if not axis.low <= low < high <= axis.high:
        allowed = f"[{axis.low:g}, {axis.high:g}]"
        raise ValueError(f"{where}[{low:g}, {high:g}] is not a range within {allowed}")
    return replace(axis, low=low, high=high)


def _check_inside(value: float, axis: Axis, where: str = "") -> None:
    if not axis.holds(value):
        raise ValueError(f"{where}{value:g} lies outside [{axis.low:g}, {axis.high:g}]")

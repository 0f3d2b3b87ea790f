"""The `space` section of a config; the defaults search the ranges that the methods declare."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from evaluators.settings import LIMIT, Count, Settings, suggestion
from workers.recipe import ALL_MODULES

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class Depth(Settings):
    """How a parameter varies with depth, in one of three ways."""

    groups: Count | None = None
    """Number of equal ranges of layers, each with its own value; 1 is one value for all layers."""
    layers: Annotated[list[tuple[int, int]], Field(min_length=1)] | None = None
    """Ranges of layers with their own values, each [first, last + 1]."""
    curve: Annotated[int, Field(ge=2, lt=LIMIT)] | None = None
    """Number of control points from the first layer to the last, interpolated linearly."""

    @model_validator(mode="after")
    def _check_one_way(self) -> Depth:
        ways = ("groups", "layers", "curve")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of groups, layers and curve, not {given or 'none'}"
            )
        return self


def _as_groups(given: Any) -> Any:
    return {"groups": given} if isinstance(given, int) else given


def _known_module(name: str) -> str:
    if name not in ALL_MODULES:
        raise ValueError(f"unknown module class {name!r}; {suggestion(name, ALL_MODULES)}")
    return name


def _distinct(modules: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(modules)) < len(modules):
        raise ValueError(f"{list(modules)} has a module class twice")
    return modules


DepthChoice = Annotated[Depth, BeforeValidator(_as_groups)]
Modules = Annotated[
    tuple[Annotated[str, AfterValidator(_known_module)], ...], AfterValidator(_distinct)
]


def _type_of(given: Any) -> str:
    if isinstance(given, list):
        return "range"
    return "model" if isinstance(given, str) else "value"


ModelChoice = Annotated[
    Annotated[Pair, Tag("range")] | Annotated[float, Tag("value")] | Annotated[str, Tag("model")],
    Discriminator(_type_of),
]


class ParameterSettings(Settings):
    """The settings of one parameter: its range, and how it varies."""

    range: Pair | None = None
    """A part of the range that the methods declare."""
    value: float | None = None
    """A fixed value for all models; not searched."""
    same_as: str | None = None
    """Another parameter that always has the same value."""
    depth: DepthChoice | None = None
    modules: Modules | None = None
    """By default weight and t use `space.modules`, and other parameters have one value."""
    per_model: bool = True
    """False: all models share one value."""
    models: dict[str, ModelChoice] = Field(default_factory=dict)
    """Per model: a range, a fixed value, or another model that has the same value."""

    @model_validator(mode="after")
    def _check_contradictions(self) -> ParameterSettings:
        given = [name for name in ("range", "value", "same_as") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} contradict each other; give one")
        if self.range is None and given and (others := self._varied):
            raise ValueError(f"{given[0]} and {others[0]} contradict each other; give one")
        if self.models and not self.per_model:
            raise ValueError("models and per_model: false contradict each other; give one")
        return self

    @property
    def _varied(self) -> list[str]:
        """The settings of how it varies, which contradict a fixed value and `same_as`."""
        given = {
            "depth": self.depth is not None,
            "modules": self.modules is not None,
            "per_model": not self.per_model,
            "models": bool(self.models),
        }
        return [name for name, is_given in given.items() if is_given]


def _expand(given: Any) -> Any:
    """Expands the short forms: a range or a fixed value alone."""
    if given is None or isinstance(given, dict | ParameterSettings):
        return given
    return {"range" if isinstance(given, list) else "value": given}


Choice = Annotated[ParameterSettings | None, BeforeValidator(_expand)]


def _positive(least: int) -> int:
    if least < 1:
        raise ValueError(f"{least} would allow a merge without models; the minimum is 1")
    return least


class Membership(Settings):
    """Whether models may be left out of a merge."""

    optional: list[str] | None = None
    """The models that may be left out; by default all."""
    least: Annotated[int, AfterValidator(_positive)] = 1
    """Minimum number of models in a merge."""


def _from_bool(given: Any) -> Any:
    if isinstance(given, bool):
        return Membership(optional=None if given else [])
    return given


class SpaceSettings(Settings):
    """What is searched: how parameters vary, which models may be left out, and ranges."""

    depth: DepthChoice = Depth(groups=1)
    modules: Modules = ()
    """Module classes with separate parameters; all others share one set."""
    membership: Annotated[Membership, BeforeValidator(_from_bool)] = Membership(optional=[])
    """True: every model may be left out; False: no model may be."""
    weight: Choice = None
    density: Choice = None
    gamma: Choice = None
    t: Choice = None
    lambda_: Annotated[Choice, Field(alias="lambda")] = None

    @property
    def chosen(self) -> dict[str, ParameterSettings]:
        """Parameter -> its settings, for those that have any."""
        given = {
            field.alias or name: getattr(self, name)
            for name, field in SpaceSettings.model_fields.items()
            if name not in ("depth", "modules", "membership")
        }
        return {name: choice for name, choice in given.items() if choice is not None}

    def of(self, parameter: str) -> ParameterSettings:
        """The settings of one parameter."""
        return self.chosen.get(parameter, ParameterSettings())

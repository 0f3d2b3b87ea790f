"""What a user may say about the space; every default searches what the methods declare."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    model_validator,
)

from evaluators.settings import Settings, suggestion
from workers.recipe import MODULES

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class Depth(Settings):
    """How a parameter varies along depth: one of three ways."""

    groups: PositiveInt | None = None
    """So many equal ranges of layers, each with its own value; 1 is one value for all."""
    layers: Annotated[list[tuple[int, int]], Field(min_length=1)] | None = None
    """These ranges of layers, each [first, one after the last]."""
    curve: Annotated[int, Field(ge=2)] | None = None
    """So many control points from the first layer to the last, straight lines between them."""

    @model_validator(mode="after")
    def _one_way(self) -> Depth:
        ways = ("groups", "layers", "curve")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"takes one of groups, layers and curve, not {given or 'none'}")
        return self


def _as_groups(given: Any) -> Any:
    return {"groups": given} if isinstance(given, int) else given


def _known_module(name: str) -> str:
    if name not in MODULES:
        raise ValueError(f"unknown module class {name!r}; {suggestion(name, MODULES)}")
    return name


def _distinct(modules: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(modules)) < len(modules):
        raise ValueError(f"{list(modules)} names a module class twice")
    return modules


DepthChoice = Annotated[Depth, BeforeValidator(_as_groups)]
Modules = Annotated[
    tuple[Annotated[str, AfterValidator(_known_module)], ...], AfterValidator(_distinct)
]


def _kind(given: Any) -> str:
    if isinstance(given, list):
        return "range"
    return "model" if isinstance(given, str) else "value"


Own = Annotated[
    Annotated[Pair, Tag("range")] | Annotated[float, Tag("value")] | Annotated[str, Tag("model")],
    Discriminator(_kind),
]


class ParameterSettings(Settings):
    """One parameter's own choice: where it may lie, and how it varies."""

    range: Pair | None = None
    """Narrower than the methods declare."""
    value: float | None = None
    """Fixed, everywhere and for every model: no axis."""
    same_as: str | None = None
    """Another parameter, whose value it takes, depth, modules and models included."""
    depth: DepthChoice | None = None
    modules: Modules | None = None
    """By default weight and t vary as the space says, and the rest have one value."""
    per_model: bool = True
    """False: one value for all models."""
    models: dict[str, Own] = Field(default_factory=dict)
    """A model's own range or fixed value, or the model whose value it takes."""

    @model_validator(mode="after")
    def _one_choice(self) -> ParameterSettings:
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
        """What is said of how it varies: nothing can be where it is fixed or another's."""
        given = {
            "depth": self.depth is not None,
            "modules": self.modules is not None,
            "per_model": not self.per_model,
            "models": bool(self.models),
        }
        return [name for name, is_given in given.items() if is_given]


def _written_out(given: Any) -> Any:
    """A range or a fixed value is short for settings with nothing else in them."""
    if given is None or isinstance(given, dict | ParameterSettings):
        return given
    return {"range" if isinstance(given, list) else "value": given}


Choice = Annotated[ParameterSettings | None, BeforeValidator(_written_out)]


def _positive(least: int) -> int:
    if least < 1:
        raise ValueError(f"{least} would let a merge have no models; 1 is the least")
    return least


class Membership(Settings):
    """Whether models may be left out of a merge."""

    optional: list[str] | None = None
    """These models; by default all."""
    least: Annotated[int, AfterValidator(_positive)] = 1
    """So many take part in every merge."""


def _everyone_or_nobody(given: Any) -> Any:
    if isinstance(given, bool):
        return Membership(optional=None if given else [])
    return given


class SpaceSettings(Settings):
    """What is searched: how parameters vary, who takes part, and narrower ranges."""

    depth: DepthChoice = Depth(groups=1)
    modules: Modules = ()
    """Module classes with parameters of their own; all others share one more."""
    membership: Annotated[Membership, BeforeValidator(_everyone_or_nobody)] = Membership(
        optional=[]
    )
    """True: every model may be left out; False: none."""
    weight: Choice = None
    density: Choice = None
    gamma: Choice = None
    t: Choice = None
    lambda_: Annotated[Choice, Field(alias="lambda")] = None

    @property
    def chosen(self) -> dict[str, ParameterSettings]:
        """The parameters that something is said of."""
        given = {
            field.alias or name: getattr(self, name)
            for name, field in SpaceSettings.model_fields.items()
            if name not in ("depth", "modules", "membership")
        }
        return {name: choice for name, choice in given.items() if choice is not None}

    def of(self, parameter: str) -> ParameterSettings:
        """The choice for one parameter."""
        return self.chosen.get(parameter, ParameterSettings())

"""How a merge method is declared: once, by the signature of a function."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from workers.methods.passes import Pass
from workers.methods.statistics import TensorStatistics

PerModel = Sequence[float]
"""One number per model, in the recipe's order."""

Bound = Mapping[str, float | bool | tuple[float, ...]]
Given = Mapping[str, Any]


@dataclass(frozen=True)
class Range:
    """Where a parameter is searched, and beyond that what is allowed at all."""

    low: float
    high: float
    log: bool = False
    least: float = -math.inf
    most: float = math.inf
    least_excluded: bool = False

    def fault(self, value: float) -> str | None:
        """What is wrong with a value, or None."""
        if not math.isfinite(value):
            return "is not a finite number"
        if value < self.least or (self.least_excluded and value == self.least):
            return f"must be {'above' if self.least_excluded else 'at least'} {self.least:g}"
        return f"must be at most {self.most:g}" if value > self.most else None


@dataclass(frozen=True)
class Parameter:
    """A number (or a yes or no) that a method needs, under its name in a recipe."""

    name: str
    per_model: bool
    range: Range | None
    """None for a yes or no, which is not searched."""
    default: float | bool | None
    """None when a recipe must give it."""
    argument: str
    """Of the method's function: the name, perhaps with an underscore that makes it legal."""


@dataclass(frozen=True)
class Method:
    """A merge method: what it needs, and the function that plans it for one tensor."""

    name: str
    summary: str
    details: str
    """How the maths reads, and where it differs from the paper or from mergekit, and why."""
    paper: str | None
    needs_base: bool
    models: tuple[int, int | None]
    """The least and the greatest number of models, the base not counted."""
    parameters: Mapping[str, Parameter]
    advice_on_many: str
    """What to do instead, when there are too many models."""
    function: Callable[..., Pass]

    def plan(self, stats: TensorStatistics, parameters: Bound) -> Pass:
        """The pass for one tensor; `parameters` as `bind` gives them."""
        return self.function(
            stats, **{self.parameters[name].argument: v for name, v in parameters.items()}
        )

    def bind(self, parameters: Given, models: Sequence[str]) -> Bound:
        """A recipe's parameters with defaults filled in and per-model values in model order.

        Raises:
            ValueError: if they do not fit the method; the message names every fault.
        """
        if faults := self.faults(parameters, models):
            raise ValueError(f"{self.name}: " + "; ".join(faults))
        return {name: self._bound(each, parameters, models) for name, each in self._all()}

    def faults(self, parameters: Given, models: Sequence[str]) -> list[str]:
        """Everything that is wrong with a recipe's parameters, each with its name in front."""
        faults = [self._unknown(name) for name in parameters if name not in self.parameters]
        for name, parameter in self._all():
            if name in parameters:
                faults += _value_faults(parameter, parameters[name], models)
            elif parameter.default is None:
                faults.append(f"{name}: is required by {self.name}")
        return faults or self._weight_faults(parameters, models)

    def _all(self) -> list[tuple[str, Parameter]]:
        return list(self.parameters.items())

    def _unknown(self, name: str) -> str:
        if not self.parameters:
            return f"{name}: {self.name} has no parameters"
        near = difflib.get_close_matches(name, self.parameters, n=1)
        known = f"did you mean {near[0]}?" if near else f"known: {', '.join(self.parameters)}"
        return f"{name}: {self.name} has no such parameter; {known}"

    def _bound(
        self, parameter: Parameter, parameters: Given, models: Sequence[str]
    ) -> float | bool | tuple[float, ...]:
        value = parameters.get(parameter.name, parameter.default)
        if not parameter.per_model:
            return bool(value) if parameter.range is None else float(value)
        return tuple(float(each) for _, each in _by_model(value, models))

    def _weight_faults(self, parameters: Given, models: Sequence[str]) -> list[str]:
        """Weights that leave nothing to merge, or nothing to divide by."""
        if "weight" not in self.parameters:
            return []
        weights = [float(each) for _, each in _by_model(parameters["weight"], models)]
        if not any(weights):  # with task vectors this is the base itself, and a fair answer
            return [] if self.needs_base else ["weight: is 0 for every model: nothing to merge"]
        normalise = self.parameters.get("normalize")
        if (
            normalise
            and parameters.get("normalize", normalise.default)
            and abs(sum(weights)) < 1e-8
        ):
            return [f"weight: {weights} sum to 0, and normalize divides by their sum"]
        return []


def merge_method(
    *,
    paper: str | None = None,
    needs_base: bool = True,
    models: tuple[int, int | None] = (1, None),
    advice_on_many: str = "",
) -> Callable[[Callable[..., Pass]], Method]:
    """Makes a `Method` of a function; keyword-only arguments are its parameters.

    `Annotated[PerModel, Range(...)]` is one number per model (a default `(0.1,)` is that of each),
    `Annotated[float, Range(...)]` one number, `bool` a yes or no. A trailing underscore is not
    part of a name: `lambda_` is `lambda`. The docstring's first line is the method's summary, the
    rest its page in docs/methods.md.
    """

    def declare(function: Callable[..., Pass]) -> Method:
        hints = get_type_hints(function, include_extras=True)
        arguments = inspect.signature(function).parameters.values()
        searched = [each for each in arguments if each.kind is each.KEYWORD_ONLY]
        parameters = [_parameter(each, hints[each.name]) for each in searched]
        summary, _, details = (inspect.getdoc(function) or "").partition("\n")
        return Method(
            name=function.__name__,
            summary=summary,
            details=details.strip(),
            paper=paper,
            needs_base=needs_base,
            models=models,
            parameters={parameter.name: parameter for parameter in parameters},
            advice_on_many=advice_on_many,
            function=function,
        )

    return declare


def _parameter(argument: inspect.Parameter, hint: Any) -> Parameter:
    default = None if argument.default is argument.empty else argument.default
    name = argument.name.removesuffix("_")
    if hint is bool:
        return Parameter(name, False, None, default, argument.name)
    kind, limits = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    if not isinstance(limits, Range):
        raise TypeError(f"{argument.name}: annotate it as Annotated[..., Range(...)] or bool")
    per_model = kind is not float
    of_each = default[0] if per_model and default else default
    return Parameter(name, per_model, limits, of_each, argument.name)


def _value_faults(parameter: Parameter, value: Any, models: Sequence[str]) -> list[str]:
    name = parameter.name
    if parameter.range is None:  # mergekit's own files write yes as 1.0
        return [] if value in (False, True) else [f"{name}: {value!r} is neither true nor false"]
    if not parameter.per_model:
        return _number_faults(name, parameter.range, value)
    if isinstance(value, Mapping):
        faults = [
            f"{name}: {each!r} is no model of the recipe" for each in value if each not in models
        ]
        faults += [f"{name}: missing for model {each!r}" for each in models if each not in value]
        if faults:
            return faults
    elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) != len(models):
        expected = f"takes {len(models)} numbers, one per model ({', '.join(models)})"
        return [f"{name}: {expected}, not {len(value)}"]
    return [
        fault
        for model, number in _by_model(value, models)
        for fault in _number_faults(f"{name} of {model}", parameter.range, number)
    ]


def _number_faults(name: str, limits: Range, value: Any) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [f"{name}: {value!r} is not a number"]
    fault = limits.fault(value)
    return [f"{name}: {value:g} {fault}"] if fault else []


def _by_model(value: Any, models: Sequence[str]) -> list[tuple[str, Any]]:
    """A per-model value, given as a mapping, a list or one number for all, in model order."""
    if isinstance(value, Mapping):
        return [(model, value[model]) for model in models]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(zip(models, value, strict=True))
    return [(model, value) for model in models]

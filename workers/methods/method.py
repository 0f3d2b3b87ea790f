"""A merge method, declared by the signature and the docstring of one function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from evaluators.settings import suggestion
from workers.methods.parameter import Parameter, Range, by_model
from workers.methods.passes import Pass
from workers.methods.tensor_statistics import TensorStatistics

Bound = Mapping[str, float | bool | tuple[float, ...]]
"""Values of all parameters of a method, with per-model ones in model order."""
Values = Mapping[str, Any]
"""A recipe's values of parameters."""


@dataclass(frozen=True)
class Method:
    """A merge method: what it requires, and the function that plans the pass for one tensor."""

    name: str
    summary: str
    details: str
    """The formula, and where and why it differs from the paper or from mergekit."""
    paper: str | None
    needs_base: bool
    models: tuple[int, int | None]
    """The least and the greatest number of models, not counting the base."""
    parameters: Mapping[str, Parameter]
    advice_on_many: str
    """What to do instead if there are too many models."""
    function: Callable[..., Pass]

    def plan(self, stats: TensorStatistics, parameters: Bound) -> Pass:
        """The pass for one tensor; `parameters` come from `bind`."""
        return self.function(
            stats, **{self.parameters[name].argument: v for name, v in parameters.items()}
        )

    def bind(self, parameters: Values, models: Sequence[str]) -> Bound:
        """A recipe's parameters with defaults filled in and per-model values in model order.

        Raises:
            ValueError: if they do not fit the method; the message names every error.
        """
        if errors := self.errors(parameters, models):
            raise ValueError(f"{self.name}: " + "; ".join(errors))
        return {
            name: _bound(parameter, parameters.get(name, parameter.default), models)
            for name, parameter in self.parameters.items()
        }

    def errors(self, parameters: Values, models: Sequence[str]) -> list[str]:
        """Everything that is wrong with a recipe's parameters, each starting with a name."""
        errors = [self._unknown(name) for name in parameters if name not in self.parameters]
        for name, parameter in self.parameters.items():
            if name in parameters:
                errors += parameter.errors(parameters[name], models)
            elif parameter.default is None:
                errors.append(f"{name}: is required by {self.name}")
        return errors or self._weight_errors(parameters, models)

    def _unknown(self, name: str) -> str:
        if not self.parameters:
            return f"{name}: {self.name} has no parameters"
        hint = suggestion(name, self.parameters)
        return f"{name}: {self.name} has no such parameter; {hint}"

    def _weight_errors(self, parameters: Values, models: Sequence[str]) -> list[str]:
        """Weights that are all 0, or that sum to 0 where they are divided by their sum."""
        if "weight" not in self.parameters:
            return []
        weights = [float(each) for _, each in by_model(parameters["weight"], models)]
        normalize = self.parameters.get("normalize")
        divides = normalize and parameters.get("normalize", normalize.default)
        if not any(weights):  # with task vectors, the result is the base
            if self.needs_base or (normalize and not divides):  # or 0, as block expansion wants it
                return []
            return ["weight: is 0 for every model: nothing to merge"]
        if divides and abs(sum(weights)) < 1e-8:
            return [f"weight: {weights} sum to 0, and normalize divides by their sum"]
        return []


def merge_method(
    *,
    paper: str | None = None,
    needs_base: bool = True,
    models: tuple[int, int | None] = (1, None),
    advice_on_many: str = "",
) -> Callable[[Callable[..., Pass]], Method]:
    """Makes a `Method` of a function; its keyword-only arguments are the parameters.

    `Annotated[PerModel, Range(...)]` is one number per model (the default `(0.1,)` is for each),
    `Annotated[float, Range(...)]` is one number, and `bool` a boolean. A trailing underscore is not
    part of a name: `lambda_` is `lambda`. The docstring's first line is the method's summary, the
    rest its section in docs/methods.md.
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


def _bound(
    parameter: Parameter, value: Any, models: Sequence[str]
) -> float | bool | tuple[float, ...]:
    if not parameter.per_model:
        return bool(value) if parameter.range is None else float(value)
    return tuple(float(each) for _, each in by_model(value, models))


def _parameter(argument: inspect.Parameter, hint: Any) -> Parameter:
    default = None if argument.default is argument.empty else argument.default
    name = argument.name.removesuffix("_")
    if hint is bool:
        return Parameter(name, False, None, default, argument.name)
    kind, limits = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    if not isinstance(limits, Range):
        raise TypeError(f"{argument.name}: annotate it as Annotated[..., Range(...)] or bool")
    per_model = kind is not float
    default = default[0] if per_model and default else default
    return Parameter(name, per_model, limits, default, argument.name)

"""Checks a mergekit file against its merge method and the models' tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from workers.mergekit.document import Document, Settings, Slice
from workers.mergekit.yaml_nodes import Errors
from workers.methods import METHODS
from workers.recipe import Source, module_of

_NEUTRAL: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    # parameters that only mergekit has, and the values at which they have no effect
    "ties": {"rescale": (0.0,)},
    "task_arithmetic": {"rescale": (0.0,)},
    "breadcrumbs": {"rescale": (0.0,)},
    "breadcrumbs_ties": {"rescale": (0.0,)},
    "dare_linear": {"rescale": (1.0,)},
    "dare_ties": {"rescale": (1.0,)},
    "nuslerp": {"nuslerp_flatten": (1.0,), "nuslerp_row_wise": (0.0,)},
    "multislerp": {"eps": (1e-8,)},
    "karcher": {"max_iter": (10.0,), "tol": (1e-5,)},
    "model_stock": {"filter_wise": (0.0,)},
}
_IGNORED = ("int8_mask",)  # changes how mergekit computes, not the result


def check_parameters(document: Document, known: Sequence[str], errors: Errors) -> None:
    """Whether the method has every parameter, or it has the only supported value."""
    neutral = _NEUTRAL.get(document.method, {})
    for settings in _all_settings(document):
        for name, setting in settings.items():
            if name in known or name in _IGNORED:
                continue
            allowed = neutral.get(name)
            if allowed is None:
                errors.add(
                    setting.line,
                    f"{document.method} has no parameter {name!r}; "
                    f"it has: {', '.join(known) or 'none'}",
                )
            elif any(v not in allowed for each in setting.conditions for v in each.values):
                errors.add(setting.line, f"{name}: only {allowed[0]:g} is supported")


def check_models(document: Document, names: Mapping[Source, str], errors: Errors) -> None:
    """Whether base and models are listed as the method requires."""
    first = document.slices[0].line
    listed = {each.model for part in document.slices for each in part.sources}
    if document.method == "slerp" and document.base is None:
        errors.add(first, "slerp needs base_model, the model at t = 0")
    if (
        document.method in ("linear", "passthrough")
        and document.base
        and document.base not in listed
    ):
        errors.add(
            first,
            f"base_model is not among the models of {document.method}; list it or remove it",
        )
    for part in document.slices:
        _check_slice(document, part, names, errors)


def _check_slice(
    document: Document, part: Slice, names: Mapping[Source, str], errors: Errors
) -> None:
    models = [each.model for each in part.sources]
    for each in part.sources:
        if models.count(each.model) > 1:
            errors.add(each.line, f"{each.model} is listed twice in one slice")
        if each.model == document.base and each.model not in names and each.parameters:
            name = min(each.parameters)
            errors.add(
                each.parameters[name].line,
                f"{name}: {document.method} has no parameters for the base; remove them",
            )
    if document.method == "passthrough" and len(models) != 1:
        errors.add(part.line, f"passthrough needs one model, not {len(models)}")
    may_omit_models = (
        "weight" in METHODS[document.method].parameters and document.method != "nuslerp"
    )
    if may_omit_models or document.method == "passthrough":
        return
    if missing := [str(m) for m, name in names.items() if m not in models and name != "base"]:
        errors.add(
            part.line, f"{document.method} has no weights, so each slice must list {missing[0]}"
        )


def check_filters(document: Document, tensors: Sequence[str], errors: Errors) -> None:
    """Whether every filter matches a tensor; tensors that some models lack need not exist."""
    for settings in _all_settings(document):
        for setting in settings.values():
            for each in setting.conditions:
                optional = each.filter and module_of(each.filter) in ("embed", "head", "norm")
                if not optional and not any(each.matches(tensor) for tensor in tensors):
                    errors.add(setting.line, f"filter {each.filter!r} matches no tensor")


def _all_settings(document: Document) -> Iterator[Settings]:
    yield document.parameters
    for part in document.slices:
        yield part.parameters
        for each in part.sources:
            yield each.parameters

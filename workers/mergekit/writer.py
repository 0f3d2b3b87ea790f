"""Writes a recipe as a mergekit file.

The last line is a comment with the native recipe, so that `read` returns the same recipe.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import yaml

from workers.checkpoint import Checkpoint, chosen_template, open_headers
from workers.mergekit.tokenizer import to_mergekit
from workers.methods import METHODS, Bound
from workers.recipe import Recipe, Source, layer_of

Number = float | bool
Values = Mapping[str, Number]
"""Tensor -> value of one parameter."""

_WITH_BASE = ("nuslerp", "multislerp")  # they use task vectors if there is a base

MARK = "# mergefront: "
"""The start of the comment with the native recipe."""


def write(recipe: Recipe, open_model: Callable[[Source], Checkpoint] = open_headers) -> str:
    """The text of the file; the models' headers give the tensor names for its filters.

    Raises:
        ValueError: if a model cannot be read.
    """
    opened = [open_model(source) for source in recipe.sources.values()]
    names = list(dict.fromkeys(name for each in opened for name in each.tensors))
    content = _Writer(recipe, names, opened[0].n_layers).content()
    content["dtype"] = "float32"
    content["out_dtype"] = recipe.dtype or opened[0].dtype
    if recipe.tokenizer:
        content |= to_mergekit(recipe.tokenizer, recipe, _reference)
    if template := recipe.chat_template:
        content["chat_template"] = _template_text(template, recipe, open_model)
    body = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)
    return f"{body}{MARK}{json.dumps(recipe.to_dict())}\n"


def _template_text(
    template: str, recipe: Recipe, open_model: Callable[[Source], Checkpoint]
) -> str:
    """The template itself if it is named after a model; mergekit knows the other names."""
    name = next(iter(recipe.sources)) if template == "base" else template
    if name not in recipe.token_sources:
        return template
    return chosen_template(name, {name: open_model(recipe.token_sources[name])})


class _Writer:
    def __init__(self, recipe: Recipe, names: Sequence[str], n_layers: int) -> None:
        self.recipe = recipe
        self.method = METHODS[recipe.method]
        self.names = names
        self.n_layers = n_layers
        self.models = list(recipe.models)
        self.bound = {name: self._bound(name) for name in names}
        self.base = self._base()

    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = {"merge_method": self.recipe.method}
        if self.base:
            content["base_model"] = _reference(self.base)
        ranges = self._ranges()
        if len(ranges) == 1 and not any(each.layers for each in self.recipe.sources.values()):
            content["models"] = [self._listed(name, self.names) for name in self._listing()]
            return {**content, **self._global(self.names)}
        slices = [self._slice(layers, ranges) for layers in ranges]
        return {**content, "slices": slices}

    def _bound(self, tensor: str) -> Bound:
        return self.method.bind(self.recipe.parameters(tensor, self.n_layers), self.models)

    def _base(self) -> Source | None:
        recipe = self.recipe
        if recipe.method == "slerp":
            return recipe.models[self.models[0]]
        if self.method.needs_base or recipe.method in _WITH_BASE or "base" in recipe.models:
            return recipe.base
        return recipe.base if recipe.method == "linear" else None

    def _listing(self) -> list[str]:
        """The models to list; a base that linear does not merge is listed with weight 0."""
        unmerged = self.recipe.method == "linear" and self.base and "base" not in self.models
        return ["base", *self.models] if unmerged else self.models

    def _ranges(self) -> list[tuple[int, int]]:
        cuts = {0, self.n_layers}
        for group in self.recipe.groups:
            cuts |= {min(edge, self.n_layers) for edge in group.layers or ()}
        for source in self.recipe.sources.values():
            cuts |= set(accumulate(end - first for first, end in source.layers or ()))
        ordered = sorted(cuts)
        return list(pairwise(ordered))

    def _slice(self, layers: tuple[int, int], ranges: list[tuple[int, int]]) -> dict[str, Any]:
        at_edge = layers in (
            ranges[0],
            ranges[-1],
        )  # also for embeddings, norm, head
        tensors = [n for n in self.names if _is_in(n, layers, outside=at_edge)]
        models = self.recipe.sources
        sources = [
            {**self._listed(name, tensors), "layer_range": _layer_range(models[name], layers)}
            for name in self._listing()
        ]
        if self.base and _reference(self.base) not in [each["model"] for each in sources]:
            layer_range = _layer_range(self.base, layers)
            sources.append({"model": _reference(self.base), "layer_range": layer_range})
        return {"sources": sources, **self._global(tensors)}

    def _listed(self, name: str, tensors: Sequence[str]) -> dict[str, Any]:
        if name not in self.models:
            model = self.base
            return {"model": _reference(model) if model else "", "parameters": {"weight": 0.0}}
        at = self.models.index(name)
        parameters = {
            each.name: _setting({n: self.bound[n][each.name][at] for n in tensors})  # type: ignore[index]
            for each in self.method.parameters.values()
            if each.per_model
        }
        listed: dict[str, Any] = {"model": _reference(self.recipe.models[name])}
        return {**listed, "parameters": parameters} if parameters else listed

    def _global(self, tensors: Sequence[str]) -> dict[str, Any]:
        parameters = {
            each.name: _setting({n: self.bound[n][each.name] for n in tensors})  # type: ignore[misc]
            for each in self.method.parameters.values()
            if not each.per_model
        }
        return {"parameters": parameters} if parameters else {}


def _layer_range(source: Source, layers: tuple[int, int]) -> list[int]:
    """The model's own layers that become these of the merged model, one range of its stack."""
    at = 0
    for first, end in source.layers or ():
        if at <= layers[0] < at + end - first:
            return [first + layers[0] - at, first + layers[1] - at]
        at += end - first
    return list(layers)


def _is_in(tensor: str, layers: tuple[int, int], *, outside: bool) -> bool:
    layer = layer_of(tensor)
    return outside if layer is None else layers[0] <= layer < layers[1]


def _setting(values: Values) -> Any:
    """One value, or conditions: the most common value comes last and has no filter."""
    counts = Counter(values.values())
    if len(counts) == 1:
        return next(iter(counts))
    (fallback, _), *_ = counts.most_common()
    left = {tensor: value for tensor, value in values.items() if value != fallback}
    others = {tensor for tensor in values if tensor not in left}
    conditions: list[dict[str, Any]] = []
    while left:
        text, value, covered = _best_filter(left, others)
        conditions.append({"filter": text, "value": value})
        left = {tensor: each for tensor, each in left.items() if tensor not in covered}
    return [*conditions, {"value": fallback}]


def _best_filter(left: Values, others: set[str]) -> tuple[str, Number, set[str]]:
    """The filter that matches most tensors of one value and none of another value."""
    best: tuple[str, Number, set[str]] | None = None
    for tensor, value in left.items():
        for text in _filters(tensor):
            covered = {name for name in left if text in name}
            if any(text in name for name in others) or any(left[n] != value for n in covered):
                continue
            if best is None or (len(covered), -len(text)) > (len(best[2]), -len(best[0])):
                best = text, value, covered
    if best is None:
        raise ValueError(f"no mergekit filter matches {min(left)} and no other tensor")
    return best


def _filters(tensor: str) -> list[str]:
    """Possible filters for a tensor: consecutive parts of its name, but not numbers only."""
    words = tensor.split(".")
    runs = [words[i:j] for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
    return [".".join(run) for run in runs if not all(word.isdigit() for word in run)]


def _reference(source: Source) -> Any:
    """A reference to a model; a mapping if the path contains `+` or `@`."""
    adapter, _, adapter_revision = (source.adapter or "").partition("@")
    if not any(sign in part for part in (source.path, adapter) for sign in "+@"):
        model = f"{source.path}@{source.revision}" if source.revision else source.path
        return f"{model}+{source.adapter}" if source.adapter else model
    model_part = {"path": source.path} | ({"revision": source.revision} if source.revision else {})
    lora = {"path": adapter} | ({"revision": adapter_revision} if adapter_revision else {})
    return {"model": model_part} | ({"lora": lora} if adapter else {})

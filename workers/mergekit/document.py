"""A mergekit recipe as it is written, every key checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.mergekit.nodes import Faults, Item, load
from workers.methods import METHODS
from workers.recipe import DTYPES, Source
from workers.recipe.plain import nearest

ALLOWED = (
    "base_model",
    "dtype",
    "input_model_parameters",
    "merge_method",
    "models",
    "out_dtype",
    "parameters",
    "slices",
    "tokenizer",
    "tokenizer_source",
)
_BELOW = "mergekit ignores it here; write it under `parameters`"
REFUSED = {
    "chat_template": "the template of a model is taken (tokenizer_source), none is written",
    "density": _BELOW,
    "embed_slerp": "mergekit ignores it; filters embed_tokens and lm_head set those tensors",
    "int8_mask": _BELOW,
    "lambda": _BELOW,
    "modules": "models of several parts (vision and language) cannot be merged",
    "name": "parts of a mergekit-multi file; merge them one after another, a file each",
    "normalize": _BELOW,
    "random_seed": "give it as --seed",
    "t": _BELOW,
    "weight": _BELOW,
}
_TOKENIZER_REFUSED = {
    "tokens": "tokens of several models cannot be mixed; choose one model's tokenizer",
    "pad_to_multiple_of": "rows are those of the base; leave it out",
}


@dataclass(frozen=True)
class Condition:
    """A number, or a gradient over a slice's layers, for the tensors that a filter matches."""

    filter: str | None
    values: tuple[float, ...]

    def matches(self, tensor: str) -> bool:
        """Whether the filter is part of the tensor's name; none or * matches all."""
        return self.filter in (None, "*") or str(self.filter) in tensor

    def at(self, t: float) -> float:
        """The value at a place in the slice, from 0 to 1: linear between the given ones."""
        last = len(self.values) - 1
        below = math.floor(t * last)
        above, part = min(last, below + 1), t * last - below
        return (1.0 - part) * self.values[below] + part * self.values[above]


@dataclass(frozen=True)
class Setting:
    """A parameter: the first condition that matches a tensor decides."""

    conditions: tuple[Condition, ...]
    line: int

    def of(self, tensor: str, t: float) -> float | None:
        """The value for a tensor; None where no condition matches."""
        return next((each.at(t) for each in self.conditions if each.matches(tensor)), None)


Settings = Mapping[str, Setting]


@dataclass(frozen=True)
class Listed:
    """A model in a slice, with parameters of its own."""

    model: Source
    line: int
    parameters: Settings = field(default_factory=dict)
    layers: tuple[int, int] = (0, 1)
    """First layer and the one after the last; nothing said under `models`."""


@dataclass(frozen=True)
class Slice:
    """A range of layers, and the models it is merged from."""

    sources: tuple[Listed, ...]
    line: int
    parameters: Settings = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """A whole file."""

    method: str
    slices: tuple[Slice, ...]
    whole: bool
    """Whether it lists `models`: one slice with all layers, however many there are."""
    parameters: Settings
    base: Source | None
    dtype: str | None
    tokenizer: Source | str | None
    """`base`, a model, or nothing said."""


def parse(text: str, where: str) -> Document:
    """Reads a file.

    Raises:
        ValueError: with every fault and its line.
    """
    top = load(text, where)
    faults = Faults(where)
    content = faults.mapping(top, "recipe")
    faults.known(content, ALLOWED, REFUSED)
    method = _method(content.get("merge_method"), top, faults)
    legacy = _legacy(content.get("input_model_parameters"), faults)
    base = _source(content["base_model"], faults) if "base_model" in content else None
    slices = _slices(content, legacy, base, top, faults)
    document = Document(
        method=method,
        slices=slices,
        whole="slices" not in content,
        parameters=_settings(content.get("parameters"), faults),
        base=base,
        dtype=_dtype(content, faults),
        tokenizer=_tokenizer(content, faults),
    )
    faults.stop()
    return document


def _method(item: Item | None, top: Item, faults: Faults) -> str:
    if item is None:
        faults.add(top.line, f"merge_method is missing; one of {', '.join(METHODS)}")
        return "linear"
    if item.value not in METHODS:
        faults.add(
            item.line,
            f"merge_method {item.value!r} is none of ours; {nearest(str(item.value), METHODS)}",
        )
        return "linear"
    return str(item.value)


def _slices(
    content: Mapping[str, Item],
    legacy: Mapping[Source, Settings],
    base: Source | None,
    top: Item,
    faults: Faults,
) -> tuple[Slice, ...]:
    if bool("models" in content or legacy) == ("slices" in content):
        faults.add(top.line, "a recipe lists either `models` or `slices`")
        return ()
    if "slices" in content:
        given = faults.items(content["slices"], "slices")
        if not given:
            faults.add(content["slices"].line, "slices: none are listed")
        return tuple(_slice(item, base, faults) for item in given)
    listed = [
        _listed(item, faults, layered=False)
        for item in faults.items(content.get("models"), "models")
    ]
    if not listed and not legacy:
        faults.add(content["models"].line, "models: none are listed")
    if legacy:  # the oldest files give parameters apart from the models, or instead of them
        models = [each.model for each in listed]
        lines = {each.model: each for each in listed}
        listed = [
            lines[m] if m not in legacy else Listed(m, top.line, {**legacy[m]})
            for m in dict.fromkeys([*models, *legacy])
        ]
    return (Slice(tuple(listed), top.line),)


def _slice(item: Item, base: Source | None, faults: Faults) -> Slice:
    content = faults.mapping(item, "slice")
    refused = {"residual_weight": "mergekit reads it and does nothing with it"}
    faults.known(content, ("sources", "parameters", "base_model"), refused)
    if "base_model" in content and _source(content["base_model"], faults) != base:
        faults.add(content["base_model"].line, "base_model: one base serves all slices here")
    sources = faults.items(content.get("sources"), "sources")
    if not sources:
        faults.add(item.line, "a slice needs `sources`")
    return Slice(
        tuple(_listed(each, faults, layered=True) for each in sources),
        item.line,
        _settings(content.get("parameters"), faults),
    )


def _listed(item: Item, faults: Faults, *, layered: bool) -> Listed:
    if not layered and isinstance(item.value, str):  # an old spelling: the bare name
        return Listed(_source(item, faults), item.line)
    content = faults.mapping(item, "model")
    refused = {
        "layer_range": "mergekit ignores it under `models`; write `slices` with `sources`",
        "weight": _BELOW,
        "density": _BELOW,
    }
    keys = ("model", "parameters", "layer_range") if layered else ("model", "parameters")
    faults.known(content, keys, refused)
    if "model" not in content:
        faults.add(item.line, "`model` is missing")
        return Listed(Source(""), item.line)
    return Listed(
        _source(content["model"], faults),
        content["model"].line,
        _settings(content.get("parameters"), faults),
        _layer_range(content.get("layer_range"), item, faults) if layered else (0, 1),
    )


def _layer_range(item: Item | None, owner: Item, faults: Faults) -> tuple[int, int]:
    given = item.plain() if item else None
    if (
        isinstance(given, list)
        and len(given) == 2
        and all(isinstance(each, int) for each in given)
        and 0 <= given[0] < given[1]
    ):
        return given[0], given[1]
    line = (item or owner).line
    faults.add(line, f"layer_range: expected [first, one after the last], got {given!r}")
    return 0, 1


def _source(item: Item, faults: Faults) -> Source:
    given = item.plain()
    try:
        if isinstance(given, dict):
            return _source_of_mapping(item, faults)
        found = Source.parse(given)
    except ValueError as error:
        faults.add(item.line, str(error))
        return Source("")
    return found


def _source_of_mapping(item: Item, faults: Faults) -> Source:
    content = faults.mapping(item, "model")
    faults.known(
        content,
        ("model", "lora"),
        {"override_architecture": "the tensors themselves say what there is to merge"},
    )
    model, lora = (_path(content.get(key), key, faults) for key in ("model", "lora"))
    if model is None:
        faults.add(item.line, "model: path is missing")
        return Source("")
    adapter = (f"{lora[0]}@{lora[1]}" if lora[1] else lora[0]) if lora else None
    return Source(model[0], model[1], adapter)


def _path(item: Item | None, what: str, faults: Faults) -> tuple[str, str | None] | None:
    if item is None:
        return None
    if isinstance(item.value, str):
        return item.value, None
    content = faults.mapping(item, what)
    faults.known(content, ("path", "revision"))
    if "path" not in content:
        return None
    revision = content["revision"].value if "revision" in content else None
    return str(content["path"].value), revision


def _settings(item: Item | None, faults: Faults) -> dict[str, Setting]:
    given = faults.mapping(item, "parameters")
    return {name: _setting(name, each, faults) for name, each in given.items()}


def _setting(name: str, item: Item, faults: Faults) -> Setting:
    if isinstance(item.value, list) and item.value and isinstance(item.value[0].value, dict):
        return Setting(tuple(_condition(name, each, faults) for each in item.value), item.line)
    if isinstance(item.value, dict):
        faults.add(item.line, f"{name}: conditions are a list: write `- filter: ...` with a dash")
        return Setting((), item.line)
    return Setting((Condition(None, _numbers(name, item, faults)),), item.line)


def _condition(name: str, item: Item, faults: Faults) -> Condition:
    content = faults.mapping(item, name)
    faults.known(content, ("filter", "value"))
    if "value" not in content:
        faults.add(item.line, f"{name}: a condition needs a `value`")
        return Condition(None, (0.0,))
    chosen = content["filter"].value if "filter" in content else None
    if chosen is not None and not isinstance(chosen, str):
        faults.add(item.line, f"{name}: filter {chosen!r} is no text")
        chosen = None
    return Condition(chosen, _numbers(name, content["value"], faults))


def _numbers(name: str, item: Item, faults: Faults) -> tuple[float, ...]:
    given = item.plain()
    values = given if isinstance(given, list) else [given]
    if values and all(isinstance(each, int | float) for each in values):
        return tuple(map(float, values))
    faults.add(item.line, f"{name}: expected a number or a list of numbers, got {given!r}")
    return (0.0,)


def _dtype(content: Mapping[str, Item], faults: Faults) -> str | None:
    found: dict[str, Any] = {}
    for key in ("dtype", "out_dtype"):
        if key in content and content[key].value is not None:
            found[key] = str(content[key].value).removeprefix("torch.")
            if found[key] not in DTYPES:
                faults.add(
                    content[key].line, f"{key}: {found[key]!r} is not one of {', '.join(DTYPES)}"
                )
    return found.get("out_dtype", found.get("dtype"))


def _tokenizer(content: Mapping[str, Item], faults: Faults) -> Source | str | None:
    item = content.get("tokenizer_source")
    if "tokenizer" in content:
        if item is not None:
            faults.add(item.line, "tokenizer_source: write either this or `tokenizer`")
        given = faults.mapping(content["tokenizer"], "tokenizer")
        faults.known(given, ("source",), _TOKENIZER_REFUSED)
        item = given.get("source") or Item("union", content["tokenizer"].line)
    if item is None or item.value is None:
        return None
    if item.value == "union":
        faults.add(item.line, "a union of vocabularies cannot be made; choose `base` or a model")
        return None
    if item.value == "base":
        return "base"
    if isinstance(item.value, str):  # `model:` is an old spelling
        return _source(Item(item.value.removeprefix("model:"), item.line), faults)
    return _source(item, faults)


def _legacy(item: Item | None, faults: Faults) -> dict[Source, Settings]:
    given = faults.mapping(item, "input_model_parameters")
    return {
        _source(Item(name, each.line), faults): _settings(each, faults)
        for name, each in given.items()
    }

"""Parses a mergekit recipe file and reports every unknown or unsupported key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluators.settings import suggestion
from workers.mergekit.document import Document, Settings, Slice, SourceModel
from workers.mergekit.parameters import parse_parameters
from workers.mergekit.sources import parse_source
from workers.mergekit.tokenizer import parse_template, parse_tokenizer
from workers.mergekit.yaml_nodes import Errors, Node, load
from workers.methods import METHODS
from workers.recipe import DTYPES, Source

ALLOWED = (
    "base_model",
    "chat_template",
    "dtype",
    "input_model_parameters",
    "merge_method",
    "models",
    "name",
    "out_dtype",
    "parameters",
    "slices",
    "tokenizer",
    "tokenizer_source",
)
_MISPLACED = "mergekit ignores it here; write it under `parameters`"
REFUSED = {
    "density": _MISPLACED,
    "embed_slerp": "mergekit ignores it; filters embed_tokens and lm_head set those tensors",
    "int8_mask": _MISPLACED,
    "lambda": _MISPLACED,
    "modules": "only the language model of several parts is merged; give its models directly",
    "normalize": _MISPLACED,
    "random_seed": "give it as --seed",
    "t": _MISPLACED,
    "weight": _MISPLACED,
}
_NO_PASS = {  # methods that none of the passes of workers.methods computes, and the nearest ones
    "arcee_fusion": "it keeps entries by their importance within a row; breadcrumbs is like it",
    "della": "it drops entries at random by their rank within a row; dare_ties is like it",
    "della_linear": "it drops entries at random by their rank within a row; dare_linear is like it",
    "nearswap": "it clips task vectors; linear and slerp of the two models are like it",
    "sce": "it elects signs without the weights and selects by variance; ties is like it",
}


def parse(text: str, where: str) -> list[Document]:
    """Parses every document of a file.

    Raises:
        ValueError: with every error and its line.
    """
    errors = Errors(where)
    documents = [_document(top, errors) for top in load(text, where)]
    errors.raise_any()
    return documents


def _document(top: Node, errors: Errors) -> Document:
    content = errors.mapping(top, "recipe")
    errors.known(content, ALLOWED, REFUSED)
    method = _method(content.get("merge_method"), top, errors)
    legacy = _legacy(content.get("input_model_parameters"), errors)
    base = parse_source(content["base_model"], errors) if "base_model" in content else None
    slices = _slices(content, legacy, base, top, errors)
    return Document(
        name=_name(content.get("name"), errors),
        line=top.line,
        method=method,
        slices=slices,
        is_whole="slices" not in content,
        parameters=parse_parameters(content.get("parameters"), errors),
        base=base,
        dtype=_dtype(content, errors),
        tokenizer=parse_tokenizer(content, errors),
        chat_template=parse_template(content.get("chat_template"), errors),
    )


def _name(node: Node | None, errors: Errors) -> str | None:
    if node is None:
        return None
    name = node.value  # it becomes the name of a directory
    if not isinstance(name, str) or "/" in name or name in ("", ".", ".."):
        errors.add(node.line, f"name: expected a name without a /, got {node.plain()!r}")
    return str(node.value)


def _method(node: Node | None, top: Node, errors: Errors) -> str:
    if node is None:
        errors.add(top.line, f"merge_method is missing; one of {', '.join(METHODS)}")
        return "linear"
    if node.value not in METHODS:
        given = str(node.value)
        why = _NO_PASS.get(given) or suggestion(given, METHODS)
        errors.add(node.line, f"merge_method {given!r} is not available; {why}")
        return "linear"
    return str(node.value)


def _slices(
    content: Mapping[str, Node],
    legacy: Mapping[Source, Settings],
    base: Source | None,
    top: Node,
    errors: Errors,
) -> tuple[Slice, ...]:
    if bool("models" in content or legacy) == ("slices" in content):
        errors.add(top.line, "give either `models` or `slices`")
        return ()
    if "slices" in content:
        given = errors.items(content["slices"], "slices")
        if not given:
            errors.add(content["slices"].line, "slices: the list is empty")
        return tuple(_slice(node, base, errors) for node in given)
    listed = _models(content.get("models"), legacy, top, errors)
    return (Slice(tuple(listed), top.line),)


def _models(
    node: Node | None, legacy: Mapping[Source, Settings], top: Node, errors: Errors
) -> list[SourceModel]:
    listed = [_source_model(each, errors, in_slice=False) for each in errors.items(node, "models")]
    if not legacy:
        if not listed:
            errors.add((node or top).line, "models: the list is empty")
        return listed
    # the oldest files give the parameters separately from the models, or instead of them
    by_source = {each.model: each for each in listed}
    return [
        by_source[source] if source not in legacy else SourceModel(source, top.line, legacy[source])
        for source in dict.fromkeys([*by_source, *legacy])
    ]


def _slice(node: Node, base: Source | None, errors: Errors) -> Slice:
    content = errors.mapping(node, "slice")
    refused = {"residual_weight": "mergekit does not use it"}
    errors.known(content, ("sources", "parameters", "base_model"), refused)
    if "base_model" in content and parse_source(content["base_model"], errors) != base:
        errors.add(content["base_model"].line, "base_model: all slices must have the same base")
    sources = errors.items(content.get("sources"), "sources")
    if not sources:
        errors.add(node.line, "a slice needs `sources`")
    return Slice(
        tuple(_source_model(each, errors, in_slice=True) for each in sources),
        node.line,
        parse_parameters(content.get("parameters"), errors),
    )


def _source_model(node: Node, errors: Errors, *, in_slice: bool) -> SourceModel:
    if not in_slice and isinstance(node.value, str):  # an old spelling: the name only
        return SourceModel(parse_source(node, errors), node.line)
    content = errors.mapping(node, "model")
    refused = {
        "layer_range": "mergekit ignores it under `models`; write `slices` with `sources`",
        "weight": _MISPLACED,
        "density": _MISPLACED,
    }
    keys = ("model", "parameters", "layer_range") if in_slice else ("model", "parameters")
    errors.known(content, keys, refused)
    if "model" not in content:
        errors.add(node.line, "`model` is missing")
        return SourceModel(Source(""), node.line)
    return SourceModel(
        parse_source(content["model"], errors),
        content["model"].line,
        parse_parameters(content.get("parameters"), errors),
        _layer_range(content.get("layer_range"), node, errors) if in_slice else (0, 1),
    )


def _layer_range(node: Node | None, owner: Node, errors: Errors) -> tuple[int, int]:
    given = node.plain() if node else None
    if (
        isinstance(given, list)
        and len(given) == 2
        and all(isinstance(each, int) for each in given)
        and 0 <= given[0] < given[1]
    ):
        return given[0], given[1]
    line = (node or owner).line
    errors.add(line, f"layer_range: expected [first, one after the last], got {given!r}")
    return 0, 1


def _legacy(node: Node | None, errors: Errors) -> dict[Source, Settings]:
    given = errors.mapping(node, "input_model_parameters")
    return {
        parse_source(Node(name, each.line), errors): parse_parameters(each, errors)
        for name, each in given.items()
    }


def _dtype(content: Mapping[str, Node], errors: Errors) -> str | None:
    found: dict[str, Any] = {}
    for key in ("dtype", "out_dtype"):
        if key in content and content[key].value is not None:
            found[key] = str(content[key].value).removeprefix("torch.")
            if found[key] not in DTYPES:
                errors.add(
                    content[key].line, f"{key}: {found[key]!r} is not one of {', '.join(DTYPES)}"
                )
    return found.get("out_dtype", found.get("dtype"))

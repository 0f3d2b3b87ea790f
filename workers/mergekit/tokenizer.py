"""The vocabulary in a mergekit file: `tokenizer_source`, or `tokenizer` with rows of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.mergekit.sources import parse_source
from workers.mergekit.yaml_nodes import Errors, Node
from workers.recipe import (
    UNION,
    Recipe,
    Source,
    TokenizerChoice,
    TokenRow,
    is_count,
    template_errors,
)

KEYWORDS = (UNION, "base")
Reference = Source | str
"""A model, or one of `KEYWORDS`."""


@dataclass(frozen=True)
class TokenSource:
    """Where a token's row comes from; without a model, the row is zero."""

    model: Source | None
    line: int
    token: str | None = None
    id: int | None = None
    force: bool = False


@dataclass(frozen=True)
class DocumentTokenizer:
    """The tokenizer that a file asks for."""

    source: Reference
    line: int
    pad_to_multiple_of: int | None = None
    tokens: Mapping[str, TokenSource] = field(default_factory=dict)


def parse_tokenizer(content: Mapping[str, Node], errors: Errors) -> DocumentTokenizer | None:
    """The tokenizer of a file, or None if the file does not name one."""
    short, full = content.get("tokenizer_source"), content.get("tokenizer")
    if full is None:
        if short is None or short.value is None:
            return None
        return DocumentTokenizer(_reference(short, errors), short.line)
    if short is not None:
        errors.add(short.line, "give either tokenizer_source or `tokenizer`")
    given = errors.mapping(full, "tokenizer")
    errors.known(given, ("source", "tokens", "pad_to_multiple_of"))
    source = _reference(given["source"], errors) if "source" in given else UNION
    tokens = errors.mapping(given.get("tokens"), "tokens")
    return DocumentTokenizer(
        source,
        full.line,
        _multiple(given.get("pad_to_multiple_of"), errors),
        {token: _token_source(token, node, errors) for token, node in tokens.items()},
    )


def parse_template(node: Node | None, errors: Errors) -> str | None:
    """The chat template of a file: `auto`, the name of a standard one, or a template."""
    given = node.plain() if node else None
    if node is None or given is None:
        return None
    if given != "auto" and (wrong := template_errors(given, [])):
        errors.add(node.line, wrong[0])
    return str(given)


def to_choice(
    given: DocumentTokenizer | None,
    names: Mapping[Source, str],
    base: Source | None,
    errors: Errors,
) -> TokenizerChoice | None:
    """The choice of a recipe with these names of models; models that are not merged are errors."""
    if given is None:
        return None

    def name(source: Source, line: int, key: str) -> str:
        if source == base:
            return "base"
        if source not in names:
            errors.add(line, f"{key}: {source} is not one of the merged models")
        return names.get(source, "base")

    def row(token: str, each: TokenSource) -> TokenRow:
        model = name(each.model, each.line, repr(token)) if each.model else None
        return TokenRow(model, each.token, each.id, each.force)

    source = given.source
    return TokenizerChoice(
        source if isinstance(source, str) else name(source, given.line, "tokenizer_source"),
        given.pad_to_multiple_of,
        {token: row(token, each) for token, each in given.tokens.items()},
    )


def to_mergekit(
    choice: TokenizerChoice, recipe: Recipe, reference: Callable[[Source], Any]
) -> dict[str, Any]:
    """The mergekit keys of a choice; `reference` writes a model."""

    def model(name: str) -> Any:
        return reference(recipe.token_sources[name])

    def row(each: TokenRow) -> dict[str, Any]:
        if each.model is None:
            source: Any = {"kind": "zero"}
        elif each.token is None and each.id is None:
            source = model(each.model)
        else:
            place = {"token": each.token} if each.id is None else {"token_id": each.id}
            source = {"kind": "model_token", "model": model(each.model), **place}
        return {"source": source} | ({"force": True} if each.force else {})

    source = choice.source if choice.source in KEYWORDS else model(choice.source)
    if not choice.tokens and choice.pad_to_multiple_of is None:
        return {"tokenizer_source": source}
    full: dict[str, Any] = {"source": source}
    if choice.tokens:
        full["tokens"] = {token: row(each) for token, each in choice.tokens.items()}
    if choice.pad_to_multiple_of is not None:
        full["pad_to_multiple_of"] = choice.pad_to_multiple_of
    return {"tokenizer": full}


def _reference(node: Node, errors: Errors) -> Reference:
    if node.value in KEYWORDS:
        return str(node.value)
    if isinstance(node.value, str):  # `model:` is an old spelling
        return parse_source(Node(node.value.removeprefix("model:"), node.line), errors)
    return parse_source(node, errors)


def _multiple(node: Node | None, errors: Errors) -> int | None:
    given = node.plain() if node else None
    if node is None or given is None:
        return None
    if not is_count(given):
        errors.add(node.line, f"pad_to_multiple_of: {given!r} is not a positive number")
        return None
    return int(given)


def _token_source(token: str, node: Node, errors: Errors) -> TokenSource:
    content = errors.mapping(node, repr(token))
    errors.known(content, ("source", "force"))
    force = bool(content["force"].plain()) if "force" in content else False
    source = content.get("source")
    if source is None or source.value is None:
        errors.add(node.line, f"{token!r}: `source` is missing: a model, or a kind of row")
        return TokenSource(None, node.line)
    kind = source.value.get("kind") if isinstance(source.value, dict) else None
    if kind is None:
        return TokenSource(parse_source(source, errors), source.line, force=force)
    if kind.value == "zero":
        return TokenSource(None, source.line, force=force)
    return _model_token(token, source, force=force, errors=errors)


def _model_token(token: str, source: Node, *, force: bool, errors: Errors) -> TokenSource:
    content = errors.mapping(source, repr(token))
    errors.known(content, ("kind", "model", "token", "token_id"))
    kind = content["kind"]
    if kind.value != "model_token":
        errors.add(kind.line, f"{token!r}: kind {kind.value!r} is not `model_token` or `zero`")
    given = {key: content[key].plain() for key in ("token", "token_id") if key in content}
    if "model" not in content or len(given) != 1:
        errors.add(source.line, f"{token!r}: give `model`, and either `token` or `token_id`")
        return TokenSource(None, source.line)
    model = parse_source(content["model"], errors)
    number = given.get("token_id")
    if number is not None and not is_count(number, least=0):
        errors.add(content["token_id"].line, f"{token!r}: token_id {number!r} is not a row")
        number = None
    return TokenSource(model, source.line, given.get("token"), number, force)

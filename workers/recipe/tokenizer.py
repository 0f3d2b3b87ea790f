"""The vocabulary of a merged model: whose tokens it has, and where their rows come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from workers.recipe.mappings import check_keys, is_count, without_none
from workers.recipe.source import Source

UNION = "union"


@dataclass(frozen=True)
class TokenRow:
    """Where a token's row comes from: a row of a model, or zeros."""

    model: str | None = None
    """The name of a model; without it, the row is zero."""
    token: str | None = None
    """Another token of that model; by default the same one."""
    id: int | None = None
    """A row of that model, instead of a token."""
    force: bool = False
    """Whether models that have the token get this row too."""

    @classmethod
    def parse(cls, given: Any, where: str) -> TokenRow:
        """Reads a model's name, `{zero: true}` or a mapping of the fields.

        Raises:
            ValueError: if it is none of these.
        """
        if isinstance(given, str):
            return cls(given)
        if not isinstance(given, Mapping):
            raise ValueError(f"{where}: expected a model's name or a mapping, got {given!r}")
        check_keys(given, {"model", "token", "id", "zero", "force"}, required=set(), where=where)
        row = cls(**{key: value for key, value in given.items() if key != "zero"})
        if bool(given.get("zero")) == (row.model is not None):
            raise ValueError(f"{where}: expected either `model` or `zero: true`, got {dict(given)}")
        if error := row.error():
            raise ValueError(f"{where}: {error}")
        return row

    def to_dict(self) -> Any:
        """JSON values; `parse` reads them."""
        if self == TokenRow(self.model) and self.model:
            return self.model
        return {
            **without_none(model=self.model, token=self.token, id=self.id),
            **({} if self.model else {"zero": True}),
            **({"force": True} if self.force else {}),
        }

    def error(self) -> str | None:
        """What is wrong with the fields, or None."""
        if self.token is not None and self.id is not None:
            return f"give either a token or an id, not {self.token!r} and {self.id}"
        if self.id is not None and not is_count(self.id, least=0):
            return f"id: {self.id!r} is not a row"
        return None


@dataclass(frozen=True)
class TokenizerChoice:
    """The tokenizer of a merged model; rows of all models are then matched by token.

    Raises:
        ValueError: if a field has a wrong type.
    """

    source: str
    """`base`, the name of a model, or `union`: the base's tokens and all that the models add."""
    pad_to_multiple_of: int | None = None
    """Rows are filled up to a multiple of this; by default as the base's are."""
    tokens: Mapping[str, TokenRow] = field(default_factory=dict)
    """Rows of single tokens, for models that lack them; a new token is added."""
    models: Mapping[str, Source] = field(default_factory=dict)
    """All models whose tokens and rows count, in order; by default those that are merged."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", MappingProxyType(dict(self.tokens)))
        object.__setattr__(self, "models", MappingProxyType(dict(self.models)))
        multiple = self.pad_to_multiple_of
        if not isinstance(self.source, str) or not self.source:
            raise ValueError(f"tokenizer: {self.source!r} is not `base`, `union` or a model's name")
        if multiple is not None and not is_count(multiple):
            raise ValueError(
                f"tokenizer: pad_to_multiple_of: {multiple!r} is not a positive number"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenizerChoice.parse, (self.to_dict(),)

    @classmethod
    def parse(cls, given: Any) -> TokenizerChoice:
        """Reads a name, or a mapping of the fields.

        Raises:
            ValueError: if it is neither, or a field is unknown or wrong.

        >>> TokenizerChoice.parse("union").source
        'union'
        """
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            return cls(given)
        allowed = {"source", "pad_to_multiple_of", "tokens", "models"}
        check_keys(given, allowed, required={"source"}, where="tokenizer")
        tokens, models = given.get("tokens") or {}, given.get("models") or {}
        for key, value in (("tokens", tokens), ("models", models)):
            if not isinstance(value, Mapping):
                raise ValueError(f"tokenizer: {key}: {value!r} is not a mapping")
        return cls(
            given["source"],
            given.get("pad_to_multiple_of"),
            {str(t): TokenRow.parse(row, f"tokenizer: tokens: {t!r}") for t, row in tokens.items()},
            {name: Source.parse(each, f"tokenizer: {name}") for name, each in models.items()},
        )

    def to_dict(self) -> Any:
        """JSON values; `parse` reads them."""
        content = {
            "source": self.source,
            **without_none(pad_to_multiple_of=self.pad_to_multiple_of),
            **(
                {"tokens": {t: row.to_dict() for t, row in self.tokens.items()}}
                if self.tokens
                else {}
            ),
            **({"models": {n: s.to_dict() for n, s in self.models.items()}} if self.models else {}),
        }
        return self.source if content == {"source": self.source} else content

    def identity(self) -> Any:
        """The fields that determine the merged bytes."""
        models = [(name, source.identity()) for name, source in self.models.items()]
        return {**self.to_dict(), "models": models} if models else self.to_dict()

    def over(self, models: Mapping[str, Source]) -> TokenizerChoice:
        """The choice for a merge of some of these models that must have the vocabulary of all."""
        needs_models = self.source != "base" or bool(self.tokens)
        return replace(self, models=models) if needs_models else self

    def errors(self, names: list[str]) -> Iterator[str]:
        """Names that are not those of a model; `names` are those of the merged models."""
        known = ["base", *dict.fromkeys([*names, *self.models])]
        if self.source not in (UNION, *known):
            yield f"tokenizer {self.source!r} is not 'base', 'union' or one of {known[1:]}"
        for token, row in self.tokens.items():
            if row.model is not None and row.model not in known:
                where = f"tokenizer: tokens: {token!r}"
                yield f"{where}: {row.model!r} is not 'base' or one of {known[1:]}"

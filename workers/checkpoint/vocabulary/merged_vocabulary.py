"""The vocabulary of a merged model: its tokens, and the row of every model for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import tokenizers
from numpy.typing import NDArray

from workers.checkpoint.checkpoint import Checkpoint
from workers.checkpoint.vocabulary.tokens import Vocabulary, vocabulary
from workers.recipe import UNION, TokenizerChoice, TokenRow

LACKING, AVERAGE = -1, -2
"""In the rows of a model: filled from other models, and the mean of the model's tokens."""

Donors = tuple[tuple[str, int], ...]
"""Models and rows whose mean fills a row; none for zeros."""


class Fill(NamedTuple):
    """A row that a model lacks."""

    token: str
    donors: Donors


@dataclass(frozen=True)
class ModelRows:
    """Where the rows of one model in a merged vocabulary come from."""

    own: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """For each merged row, the model's own, `LACKING` or `AVERAGE`."""
    fills: Mapping[int, Fill] = field(default_factory=dict)
    """What each lacking row is filled with."""

    def are(self, n_rows: int | None) -> bool:
        """Whether they are this number of rows in their own order."""
        return np.array_equal(self.own, np.arange(n_rows or 0))


@dataclass(frozen=True)
class MergedVocabulary:
    """The tokens of a merged model by id, and the number of its rows."""

    models: Mapping[str, Vocabulary]
    sizes: Mapping[str, int]
    """Rows of each model."""
    choice: TokenizerChoice
    source: str
    """The model whose tokenizer is used, or extended."""
    added: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The tokens that this tokenizer lacks, in order, as `tokenizer.json` describes them."""

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token -> row."""
        first = self.models[self.source]
        new = {token: first.size + i for i, token in enumerate(self.added)}
        return {**first.ids, **new}

    @cached_property
    def n_rows(self) -> int:
        """Tokens and padding: as many rows as the base has, or a multiple that it has."""
        n_tokens = max(self.ids.values()) + 1
        if multiple := self.choice.pad_to_multiple_of:
            return _rounded_up(n_tokens, multiple)
        base = next(iter(self.models))
        rows, used = self.sizes[base], self.models[base].size
        if rows <= used:
            return n_tokens
        return rows if n_tokens <= rows else _rounded_up(n_tokens, _multiple(used, rows))

    def rows(self, name: str) -> ModelRows:
        """Where the rows of a model come from."""
        own = np.full(self.n_rows, AVERAGE, np.int64)
        fills: dict[int, Fill] = {}
        ours = self.models[name].ids
        for token, row in self.ids.items():
            override = self.choice.tokens.get(token)
            if token in ours and not (override and override.force):
                own[row] = ours[token]
            else:
                own[row], fills[row] = LACKING, Fill(token, self._donors(token))
        self._fill_padding(name, own, fills)
        return ModelRows(own, fills)

    def _donors(self, token: str) -> Donors:
        """The rows that fill this token in models that lack it."""
        if (override := self.choice.tokens.get(token)) is not None:
            if override.model is None:
                return ()
            model = self._name(override.model)
            row = override.id
            wanted = override.token if override.token is not None else token
            return ((model, self.models[model].ids[wanted] if row is None else row),)
        if "base" in self.models and token in self.models["base"].ids:
            return (("base", self.models["base"].ids[token]),)
        return tuple(
            (name, each.ids[token]) for name, each in self.models.items() if token in each.ids
        )

    def _fill_padding(self, name: str, own: NDArray[np.int64], fills: dict[int, Fill]) -> None:
        """Keeps rows that are padding in the base too; a model that lacks one gets the base's."""
        base = next(iter(self.models))
        shared = (own == AVERAGE) & self._is_padding(base)
        kept = shared & self._is_padding(name)
        own[kept] = np.flatnonzero(kept)
        for row in np.flatnonzero(shared & ~kept).tolist():
            own[row], fills[row] = LACKING, Fill("", ((base, row),))

    def _is_padding(self, name: str) -> NDArray[np.bool_]:
        """Which of the merged rows are rows of this model without a token of it."""
        found = np.arange(self.n_rows) < self.sizes[name]
        used = np.fromiter(self.models[name].ids.values(), np.int64)
        found[used[used < self.n_rows]] = False
        return found

    def _name(self, model: str) -> str:
        return next(iter(self.models)) if model == "base" else model


def merge_vocabularies(
    models: Mapping[str, Checkpoint], choice: TokenizerChoice
) -> MergedVocabulary:
    """The vocabulary that a choice gives these models, of which the first is the base.

    Raises:
        ValueError: if a model's tokens are unknown, their ids have a gap, the core vocabularies
            of a union differ, or a chosen row does not exist.
    """
    found = {name: _known(name, checkpoint) for name, checkpoint in models.items()}
    sizes = {name: checkpoint.vocabulary_rows or 0 for name, checkpoint in models.items()}
    base = next(iter(found))
    source = base if choice.source in (UNION, "base") else choice.source
    added: dict[str, Mapping[str, Any]] = {}
    if choice.source == UNION:
        for name, each in found.items():
            _check_core(name, each, base, found[base])
            added |= {t: each.added.get(t, _plain(t)) for t in _by_id(each) if t not in added}
    added |= {token: _plain(token) for token in choice.tokens if token not in added}
    added = {token: spec for token, spec in added.items() if token not in found[source].ids}
    for token, row in choice.tokens.items():
        _check_row(token, row, found, sizes, base)
    return MergedVocabulary(found, sizes, choice, source, added)


def _known(name: str, checkpoint: Checkpoint) -> Vocabulary:
    words = vocabulary(checkpoint)
    if words is None:
        raise ValueError(
            f"{checkpoint.tokenizer_path}: {name} has no tokenizer.json, so the tokens of its rows "
            "are unknown; load its tokenizer with transformers and save it there"
        )
    _check_ids(words)
    return words


def _check_ids(words: Vocabulary) -> None:
    """Whether the ids in the file are those that text is encoded with."""
    ids = tokenizers.Tokenizer.from_file(str(words.file)).get_vocab(with_added_tokens=True)
    for token, row in words.ids.items():
        if ids.get(token) != row:
            raise ValueError(
                f"{words.file}: token {token!r} has id {row}, but the tokenizers library encodes "
                f"it as {ids.get(token)}, because ids below {row} belong to no token; "
                "number the added tokens without a gap"
            )


def _check_core(name: str, words: Vocabulary, base: str, theirs: Vocabulary) -> None:
    if words.core != theirs.core:
        raise ValueError(
            f"{words.file}: {name} splits text into other tokens than {base} (other merges or "
            "scores); only models that share a core tokenizer can be united: choose `tokenizer: "
            "base` or a model's name, or leave this model out"
        )


def _check_row(
    token: str, row: TokenRow, found: Mapping[str, Vocabulary], sizes: Mapping[str, int], base: str
) -> None:
    if row.model is None:
        return
    name = base if row.model == "base" else row.model
    wanted = row.token if row.token is not None else token
    if row.id is not None and row.id >= sizes[name]:
        raise ValueError(
            f"tokenizer: tokens: {token!r}: row {row.id} of {name} does not exist; it has "
            f"{sizes[name]} rows"
        )
    if row.id is None and wanted not in found[name].ids:
        raise ValueError(
            f"tokenizer: tokens: {token!r}: {found[name].file} has no token {wanted!r}; name a "
            "token that it has, or a model that has it"
        )


def _by_id(words: Vocabulary) -> list[str]:
    return sorted(words.ids, key=words.ids.__getitem__)


def _plain(token: str) -> dict[str, Any]:
    return {"content": token, "normalized": False}


def _rounded_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _multiple(used: int, rows: int) -> int:
    """The smallest power of two that pads the used rows to all of them, or the largest factor."""
    powers = [1 << i for i in range(rows.bit_length()) if _rounded_up(used, 1 << i) == rows]
    return powers[0] if powers else rows & -rows

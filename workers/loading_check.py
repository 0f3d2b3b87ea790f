"""Whether an engine predicts what its weights say, found out when a worker starts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from evaluators.engine import ScoringEngine, Tokens, Weights

Losses = Sequence[Sequence[float]]

TEXTS, TOKENS = 4, 16
TOLERANCE = 1e-3
"""Mean difference of losses, in nats, that is always accepted: that of float32 is below 1e-4."""
SHARE = 0.1
"""Of the difference that random weights make; bfloat16 makes some hundredths of it."""
SAMPLE = "Hello, world! 123 + 4.5 = ?\n\n\tnaïve 你好 🙂 don't"


def sample_tokens(tokenizer: PreTrainedTokenizerBase, rows: int, most: int) -> list[list[int]]:
    """Ordinary tokens from all over a vocabulary: no text, but every model predicts something.

    Args:
        tokenizer: of the model.
        rows: of its embedding.
        most: tokens of a text.
    """
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    ids = sorted(i for i in set(tokenizer.get_vocab().values()) - special if i < rows)
    length = min(TOKENS, most)
    chosen = ids[:: max(1, len(ids) // (TEXTS * length))]
    texts = [chosen[start::TEXTS][:length] for start in range(TEXTS)]
    return [text for text in texts if len(text) > 1]


def check_loading(
    engine: ScoringEngine, weights: Weights, texts: Sequence[Tokens], expected: Losses
) -> None:
    """Gives an engine with random weights those of a model, in place, and compares predictions.

    What the engine does not replace stays random, and so do predictions. Weights that a model has
    from its files would hide that: what is never replaced is right as long as the model is.

    Args:
        engine: with random weights.
        weights: of a model.
        texts: to predict.
        expected: the model's losses on them, by another engine.

    Raises:
        ValueError: if the engine's losses are others.
    """
    random = _distance(engine.text_losses(texts).losses, expected) if texts else 0.0
    engine.load(weights)
    if not texts or not all(map(isfinite, chain(*expected))):
        return  # nothing to compare with: the gate names what is wrong with the model
    distance = _distance(engine.text_losses(texts).losses, expected)
    limit = max(TOLERANCE, SHARE * random) if isfinite(random) else TOLERANCE
    if not distance <= limit:
        raise ValueError(
            "scoring.engine: vllm does not predict what the base's weights say after it was given "
            f"them: its losses are {distance:.2g} nats from those of transformers, with random "
            f"weights they were {random:.2g}; set `engine: hf`"
        )


def check_tokenizer(engine: ScoringEngine, own: PreTrainedTokenizerBase) -> None:
    """Whether an engine reads the tokenizer's files as transformers does.

    Raises:
        ValueError: if it has other tokens.
    """
    theirs, ours = engine.tokenizer.get_vocab(), own.get_vocab()
    if different := [token for token, i in ours.items() if theirs.get(token, i) != i]:
        token = different[0]
        found = f"token {token!r} is {theirs[token]}, in transformers {ours[token]}"
    elif (one := engine.tokenizer(SAMPLE).input_ids) != (other := own(SAMPLE).input_ids):
        found = f"{SAMPLE!r} has the tokens {one}, in transformers {other}"
    else:
        return
    raise ValueError(
        f"scoring.engine: vllm reads the tokenizer otherwise: {found}; set `engine: hf`"
    )


def _distance(one: Losses, other: Losses) -> float:
    """The mean difference of the losses of a token, in nats."""
    return fmean(abs(a - b) for a, b in zip(chain(*one), chain(*other), strict=True))

"""The gate: rejects broken models before scoring, at the cost of a few forward passes."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from evaluators.gate_limits import Measurements, violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluators.engine import ScoringEngine, Tokens
    from evaluators.gate_limits import GateSettings, Probes

GRAM = 4  # tokens in an n-gram that counts as repeated


class Gate:
    """Measures the model of an engine on fixed probes.

    Raises:
        ValueError: no text has at least two tokens.
    """

    def __init__(self, settings: GateSettings, engine: ScoringEngine, probes: Probes) -> None:
        self._settings = settings
        self._engine = engine
        room = engine.max_length - 1  # vLLM generates a token after each text
        most = min(settings.tokens, room)
        encoded = [engine.tokenizer(text).input_ids[:most] for text in probes.texts]
        self._texts = [tokens for tokens in encoded if len(tokens) > 1][: settings.texts]
        if not self._texts:
            raise ValueError(f"the gate needs texts of at least two tokens, not {probes.texts}")
        most = max(1, min(settings.tokens, room - settings.new_tokens))
        prompts = [engine.tokenizer(text).input_ids[-most:] for text in probes.prompts]
        self._prompts = [tokens for tokens in prompts if tokens][: settings.prompts]

    def measure(self) -> Measurements:
        """All measurements of the model with its current weights."""
        return self._with_repetition(self._losses())

    def check(self, inputs: Sequence[Measurements]) -> str | None:
        """Why the model is broken; None if it is not. Generates only if cheaper checks pass."""
        measured = self._losses()
        return violation(measured, inputs, self._settings) or violation(
            self._with_repetition(measured), inputs, self._settings
        )

    def _losses(self) -> Measurements:
        """Checks the weights and measures loss and entropy, with one forward pass."""
        if error := self._engine.weight_error():
            return Measurements(error)
        found = self._engine.text_losses(self._texts)
        every = [loss for losses in found.losses for loss in losses]
        if not all(map(isfinite, every)):
            return Measurements("the logits are not finite")
        nll = tuple(map(fmean, found.losses))
        p95 = float(np.quantile(every, 0.95))
        return Measurements(None, nll, p95, found.entropy, found.max_entropy)

    def _with_repetition(self, measured: Measurements) -> Measurements:
        if measured.error or not self._prompts:
            return measured
        found = self._engine.continuations(self._prompts, self._settings.new_tokens)
        return replace(measured, repetition=fmean(map(_repeated, found)))


def _repeated(tokens: Tokens) -> float:
    """Share of 4-grams that occurred before in the text; 0 if the text is too short."""
    grams = [tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0

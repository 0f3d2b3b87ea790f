"""The gate: rejects broken models before scoring, at the cost of a few forward passes."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import TYPE_CHECKING

import torch

from evaluators.gate_limits import Measurements, violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.gate_limits import GateSettings, Probes

GRAM = 4  # tokens in an n-gram that counts as repeated


class Gate:
    """Measures models on fixed probes.

    Raises:
        ValueError: no text has at least two tokens.
    """

    def __init__(
        self, settings: GateSettings, tokenizer: PreTrainedTokenizerBase, probes: Probes
    ) -> None:
        self._settings = settings
        self._pad = tokenizer.pad_token_id or 0
        encoded = [tokenizer(text).input_ids[: settings.tokens] for text in probes.texts]
        self._texts = [tokens for tokens in encoded if len(tokens) > 1][: settings.texts]
        if not self._texts:
            raise ValueError(f"the gate needs texts of at least two tokens, not {probes.texts}")
        prompts = [tokenizer(text).input_ids[-settings.tokens :] for text in probes.prompts]
        self._prompts = [tokens for tokens in prompts if tokens][: settings.prompts]

    @torch.inference_mode()
    def measure(self, model: PreTrainedModel) -> Measurements:
        """All measurements of a model with its current weights."""
        return self._with_repetition(model, self._forward(model))

    @torch.inference_mode()
    def check(self, model: PreTrainedModel, inputs: Sequence[Measurements]) -> str | None:
        """Why a model is broken; None if it is not. Generates only if the cheaper checks pass."""
        measured = self._forward(model)
        return violation(measured, inputs, self._settings) or violation(
            self._with_repetition(model, measured), inputs, self._settings
        )

    def _forward(self, model: PreTrainedModel) -> Measurements:
        """Checks the weights and measures loss and entropy, with one forward pass."""
        if error := _nonfinite_weight(model):
            return Measurements(error)
        longest = max(map(len, self._texts))
        padded = [tokens + [self._pad] * (longest - len(tokens)) for tokens in self._texts]
        batch = torch.tensor(padded, device=model.device)  # [text, token]
        logits = model(batch, use_cache=False).logits  # [text, token, vocabulary]
        losses: list[torch.Tensor] = []
        entropies: list[torch.Tensor] = []
        for tokens, row in zip(self._texts, logits, strict=True):
            log_p = row[: len(tokens) - 1].float().log_softmax(-1)
            following = torch.tensor(tokens[1:], device=log_p.device)
            losses.append(-log_p.gather(-1, following[:, None])[:, 0])
            entropies.append(-(log_p.exp() * log_p).sum(-1))
        nlls, entropy = torch.cat(losses), torch.cat(entropies).mean().item()
        if not bool(nlls.isfinite().all()):
            return Measurements("the logits are not finite")
        nll = tuple(loss.mean().item() for loss in losses)
        return Measurements(None, nll, nlls.quantile(0.95).item(), entropy, log(logits.shape[-1]))

    def _with_repetition(self, model: PreTrainedModel, measured: Measurements) -> Measurements:
        if measured.error or not self._prompts:
            return measured
        longest = max(map(len, self._prompts))
        padding = [longest - len(tokens) for tokens in self._prompts]
        rows = [[self._pad] * n + tokens for n, tokens in zip(padding, self._prompts, strict=True)]
        mask = [[0] * n + [1] * (longest - n) for n in padding]
        generated = model.generate(
            input_ids=torch.tensor(rows, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            max_new_tokens=self._settings.new_tokens,
            do_sample=False,
            pad_token_id=self._pad,
        )
        shares = [_repeated(tokens, self._pad) for tokens in generated[:, longest:].tolist()]
        return replace(measured, repetition=sum(shares) / len(shares))


def _nonfinite_weight(model: PreTrainedModel) -> str | None:
    """The first parameter with a NaN or infinite value; one sum per tensor finds out if any has."""
    sums = torch.stack([p.sum(dtype=torch.float32) for p in model.parameters()])
    if bool(sums.isfinite().all()):
        return None
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"weight {name} is not finite"
    return None  # every value is finite: only a sum overflowed


def _repeated(tokens: list[int], pad: int) -> float:
    """Share of 4-grams that occurred before in the text; 0 if the text is too short."""
    tokens = [token for token in tokens if token != pad]
    grams = [tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0

"""The checks before scoring: a broken model is found by a forward or two, not by a benchmark."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import TYPE_CHECKING

import torch

from evaluators.vitals import Vitals, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.vitals import GateSettings, Probes

GRAM = 4  # tokens that count as one repeated phrase


class Gate:
    """Measures models on fixed probes.

    Raises:
        ValueError: no text has two tokens or more.
    """

    def __init__(
        self, settings: GateSettings, tokenizer: PreTrainedTokenizerBase, probes: Probes
    ) -> None:
        self._settings = settings
        self._pad = tokenizer.pad_token_id or 0
        encoded = [tokenizer(text).input_ids[: settings.tokens] for text in probes.texts]
        self._texts = [tokens for tokens in encoded if len(tokens) > 1][: settings.texts]
        if not self._texts:
            raise ValueError(f"the gate needs texts of two tokens or more, not {probes.texts}")
        prompts = [tokenizer(text).input_ids[-settings.tokens :] for text in probes.prompts]
        self._prompts = [tokens for tokens in prompts if tokens][: settings.prompts]

    @torch.inference_mode()
    def measure(self, model: PreTrainedModel) -> Vitals:
        """All vital signs of a model as it is now."""
        return self._with_repetition(model, self._reading(model))

    @torch.inference_mode()
    def check(self, model: PreTrainedModel, references: Sequence[Vitals]) -> str | None:
        """Why a model is broken, or None; the dearest check comes last and only if it must."""
        vitals = self._reading(model)
        return self.judge(vitals, references) or self.judge(
            self._with_repetition(model, vitals), references
        )

    def judge(self, vitals: Vitals, references: Sequence[Vitals]) -> str | None:
        """Why a model with these vital signs is broken next to the input models, or None."""
        return judge(vitals, references, self._settings)

    def _reading(self, model: PreTrainedModel) -> Vitals:
        """Weights, loss and entropy: one pass over memory and one forward."""
        if fault := _nonfinite_weight(model):
            return Vitals(fault)
        longest = max(map(len, self._texts))
        padded = [tokens + [self._pad] * (longest - len(tokens)) for tokens in self._texts]
        batch = torch.tensor(padded, device=model.device)  # [text, token]
        logits = model(batch, use_cache=False).logits  # [text, token, vocabulary]
        losses: list[torch.Tensor] = []
        entropies: list[torch.Tensor] = []
        for tokens, row in zip(self._texts, logits, strict=True):
            log_p = row[: len(tokens) - 1].float().log_softmax(-1)
            ahead = torch.tensor(tokens[1:], device=log_p.device)
            losses.append(-log_p.gather(-1, ahead[:, None])[:, 0])
            entropies.append(-(log_p.exp() * log_p).sum(-1))
        every, entropy = torch.cat(losses), torch.cat(entropies).mean().item()
        if not bool(every.isfinite().all()):
            return Vitals("the logits are not finite")
        nll = tuple(loss.mean().item() for loss in losses)
        return Vitals(None, nll, every.quantile(0.95).item(), entropy, log(logits.shape[-1]))

    def _with_repetition(self, model: PreTrainedModel, vitals: Vitals) -> Vitals:
        if vitals.fault or not self._prompts:
            return vitals
        longest = max(map(len, self._prompts))
        fill = [longest - len(tokens) for tokens in self._prompts]
        rows = [[self._pad] * n + tokens for n, tokens in zip(fill, self._prompts, strict=True)]
        mask = [[0] * n + [1] * (longest - n) for n in fill]
        written = model.generate(
            input_ids=torch.tensor(rows, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            max_new_tokens=self._settings.new_tokens,
            do_sample=False,
            pad_token_id=self._pad,
        )
        shares = [_repeated(text, self._pad) for text in written[:, longest:].tolist()]
        return replace(vitals, repetition=sum(shares) / len(shares))


def _nonfinite_weight(model: PreTrainedModel) -> str | None:
    """The first parameter with an infinite or undefined value, found by one sum a tensor."""
    sums = torch.stack([p.sum(dtype=torch.float32) for p in model.parameters()])
    if bool(sums.isfinite().all()):
        return None
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"weight {name} is not finite"
    return None  # finite after all: only the sum overflowed


def _repeated(tokens: list[int], pad: int) -> float:
    """Share of 4-grams that occurred before in a text; 0 if it is too short to have any."""
    tokens = [token for token in tokens if token != pad]
    grams = [tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0

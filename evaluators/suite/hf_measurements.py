"""What the gate measures of a live transformers model."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import torch

from evaluators.engine import TextLosses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from evaluators.engine import Tokens


def weight_error(model: PreTrainedModel) -> str | None:
    """The first parameter with a NaN or infinite value; one sum per tensor finds out if any has."""
    sums = torch.stack([p.sum(dtype=torch.float32) for p in model.parameters()])
    if bool(sums.isfinite().all()):
        return None
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"weight {name} is not finite"
    return None  # every value is finite: only a sum overflowed


@torch.inference_mode()
def text_losses(model: PreTrainedModel, texts: Sequence[Tokens], pad: int) -> TextLosses:
    """The losses of texts, in one forward pass."""
    longest = max(map(len, texts))
    padded = [[*tokens, *[pad] * (longest - len(tokens))] for tokens in texts]
    batch = torch.tensor(padded, device=model.device)  # [text, token]
    logits = model(batch, use_cache=False).logits  # [text, token, vocabulary]
    losses: list[list[float]] = []
    entropies: list[torch.Tensor] = []
    for tokens, row in zip(texts, logits, strict=True):
        log_p = row[: len(tokens) - 1].float().log_softmax(-1)
        following = torch.tensor(tokens[1:], device=log_p.device)
        losses.append((-log_p.gather(-1, following[:, None])[:, 0]).tolist())
        entropies.append(-(log_p.exp() * log_p).sum(-1))
    return TextLosses(losses, torch.cat(entropies).mean().item(), log(logits.shape[-1]))


@torch.inference_mode()
def continuations(
    model: PreTrainedModel, prompts: Sequence[Tokens], new_tokens: int, pad: int
) -> list[list[int]]:
    """The likeliest tokens after each prompt, without padding."""
    longest = max(map(len, prompts))
    padding = [longest - len(tokens) for tokens in prompts]
    rows = [[*[pad] * n, *tokens] for n, tokens in zip(padding, prompts, strict=True)]
    mask = [[0] * n + [1] * (longest - n) for n in padding]
    generated = model.generate(
        input_ids=torch.tensor(rows, device=model.device),
        attention_mask=torch.tensor(mask, device=model.device),
        max_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=pad,
    )
    return [[t for t in row if t != pad] for row in generated[:, longest:].tolist()]

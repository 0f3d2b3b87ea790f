"""lm-eval's own model class over a live model: silent, and each text tokenised once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lm_eval.models.huggingface import HFLM

from evaluators.scores import BrokenModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class KeptLM(HFLM):  # type: ignore[misc]  # lm_eval has no types
    """HFLM that remembers token ids between calls and shows no progress bars.

    Answers are never remembered: the model's weights change between calls.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int
    ) -> None:
        self._encoded: dict[tuple[str, bool | None, int | None], list[int]] = {}
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)

    def tok_encode(
        self,
        string: str,
        add_special_tokens: bool | None = None,
        left_truncate_len: int | None = None,
        **kwargs: Any,
    ) -> list[int]:
        key = (string, add_special_tokens, left_truncate_len)
        if key not in self._encoded:
            self._encoded[key] = super().tok_encode(*key, **kwargs)
        return self._encoded[key]

    def _loglikelihood_tokens(
        self, requests: list[Any], disable_tqdm: bool = True, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        del disable_tqdm  # rolling windows ask for a bar whatever their caller said
        answers: list[tuple[float, bool]] = super()._loglikelihood_tokens(
            requests, disable_tqdm=True, override_bs=override_bs
        )
        return answers

    def _model_generate(self, context: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        tokens: torch.Tensor = super()._model_generate(
            context, logits_processor=[_refuse_nan], **kwargs
        )
        return tokens


def _refuse_nan(_tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """A step of generation whose logits are no numbers would still pick a token: the first."""
    if not bool((logits < torch.inf).all()):  # -inf is how transformers rules tokens out
        raise BrokenModel("the model's logits are not finite")
    return logits

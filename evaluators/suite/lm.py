"""lm-eval's own model class over a live model: silent, and each text tokenised once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import normalize_gen_kwargs

from evaluators.scores import BrokenModel, Conditions
from evaluators.suite.command import SOFTMAX_DTYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lm_eval.api.instance import Instance
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class KeptLM(HFLM):  # type: ignore[misc]  # lm_eval has no types
    """HFLM that remembers token ids between calls and shows no progress bars.

    Answers are never remembered: the model's weights change between calls.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int,
        max_length: int | None,
    ) -> None:
        self._encoded: dict[tuple[str, bool | None, int | None], list[int]] = {}
        super().__init__(
            pretrained=model,
            tokenizer=tokenizer,
            batch_size=batch_size,
            max_length=max_length,
            softmax_dtype=SOFTMAX_DTYPE,
        )
        self._max_length = self.max_length  # read from the config a thousand times otherwise
        model.config.use_cache = False  # only the logits are read; generation asks for a cache

    @property
    def conditions(self) -> Conditions:
        """What the last bits of a score depend on, next to the weights and the documents."""
        return Conditions(self.batch_size, torch.get_num_threads(), str(self.device))

    @torch.inference_mode()
    def ask(self, kind: str, requests: Sequence[Instance]) -> list[Any]:
        """The responses to requests of one type; a batch too large for memory is halved."""
        while True:
            try:
                responses: list[Any] = getattr(self, kind)(requests, disable_tqdm=True)
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
            else:
                return responses
            self.batch_size_per_gpu = self.batch_size // 2
            torch.cuda.empty_cache()

    def fit_batch(self, requests: Sequence[Instance], tokens: int) -> None:
        """Lower the batch size until a batch of the longest requests has at most so many tokens."""
        longest = min(max(map(self.length, requests)), self.max_length)
        self.batch_size_per_gpu = max(1, min(self.batch_size, tokens // longest))

    def length(self, request: Instance) -> int:
        """The tokens of a request, with its answer or all that it may generate."""
        if request.request_type == "loglikelihood_rolling":
            return 1 + len(self.tok_encode(request.args[0]))
        context, answer = request.args
        if request.request_type == "generate_until":
            return len(self.tok_encode(context)) + int(
                normalize_gen_kwargs(answer, self.max_gen_toks)["max_gen_toks"]
            )
        if context == "":
            return 1 + len(self.tok_encode(answer, add_special_tokens=False))
        return sum(map(len, self._encode_pair(context, answer)))

    def too_long(self, request: Instance) -> bool:
        """Whether lm-eval would cut a request to fit the model; rolling ones it reads in parts."""
        last = request.request_type == "loglikelihood"  # whose last token is never read
        rolling = request.request_type == "loglikelihood_rolling"
        return not rolling and self.length(request) > self.max_length + last

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

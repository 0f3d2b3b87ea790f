"""lm-eval's model class for a live model, without progress bars and repeated tokenisation."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import normalize_gen_kwargs

from evaluators.scores import BrokenModel, Conditions
from evaluators.suite.command import SOFTMAX_DTYPE
from evaluators.suite.sampling import SEED
from evaluators.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lm_eval.api.instance import Instance
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class CachingHFLM(HFLM):  # type: ignore[misc]  # lm_eval has no types
    """HFLM that caches token ids between calls and shows no progress bars.

    Responses are not cached, because the model's weights change between calls.
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
            backend="causal",  # lm-eval does not find multi-part models in its list
        )
        self._max_length = self.max_length  # otherwise read from the config for every request
        _without_cache(model)

    @property
    def conditions(self) -> Conditions:
        """What the exact value of a score depends on, besides the weights and the documents."""
        return Conditions(self.batch_size, torch.get_num_threads(), str(self.device))

    @contextmanager
    def with_model(self, model: PreTrainedModel) -> Iterator[None]:
        """Has another model of the same tokenizer answer for a while."""
        _without_cache(model)
        own = self.model
        self._model = model
        try:
            yield
        finally:
            self._model = own

    @torch.inference_mode()
    def respond(self, kind: str, requests: Sequence[Instance]) -> list[Any]:
        """The responses to requests of one type; halves the batch size when memory is exhausted.

        Tasks that sample draw the same numbers each time, so that scores repeat.
        """
        while True:
            torch.manual_seed(SEED)
            try:
                responses: list[Any] = getattr(self, kind)(requests, disable_tqdm=True)
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
            else:
                return responses
            self.batch_size_per_gpu = self.batch_size // 2
            torch.cuda.empty_cache()

    def limit_batch(self, requests: Sequence[Instance], tokens: int) -> None:
        """Reduce the batch size so that a batch of the longest requests has at most `tokens`."""
        longest = min(max(map(self.length, requests)), self.max_length)
        self.batch_size_per_gpu = max(1, min(self.batch_size, tokens // longest))

    def length(self, request: Instance) -> int:
        """The tokens of a request, including its answer or the maximum that it may generate."""
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

    def length_error(self, task: str, requests: Sequence[Instance]) -> str | None:
        """Names the documents that lm-eval would truncate and only log; None if it would none."""
        lengths = {
            request.doc_id: self.length(request)
            for request in requests
            if self._is_too_long(request)
        }
        if not lengths:
            return None
        total = len({request.doc_id for request in requests})
        longest = max(lengths, key=lambda doc_id: lengths[doc_id])
        verb = "is" if len(lengths) == 1 else "are"
        return (
            f"task {task}: {len(lengths)} of {counted(total, 'document')} {verb} longer than "
            f"{self.max_length} tokens including prompt and answer; the longest is document "
            f"{longest} with {lengths[longest]} tokens"
        )

    def _is_too_long(self, request: Instance) -> bool:
        rolling = request.request_type == "loglikelihood_rolling"  # split into windows
        unread = request.request_type == "loglikelihood"  # its last token is not an input
        return not rolling and self.length(request) > self.max_length + unread

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
        del disable_tqdm  # rolling windows show a bar even if their caller disabled it
        answers: list[tuple[float, bool]] = super()._loglikelihood_tokens(
            requests, disable_tqdm=True, override_bs=override_bs
        )
        return answers

    def _model_generate(self, context: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        tokens: torch.Tensor = super()._model_generate(
            context, logits_processor=[_check_finite], **kwargs
        )
        return tokens


def _without_cache(model: PreTrainedModel) -> None:
    """Only logits are used; generation requests a cache itself."""
    model.config.get_text_config().use_cache = False


def _check_finite(_tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Stop a generation with NaN or infinite logits, which would otherwise give some token."""
    if not bool((logits < torch.inf).all()):  # transformers excludes tokens with -inf
        raise BrokenModel("the model's logits are not finite")
    return logits

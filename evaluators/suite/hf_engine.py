"""The engine `hf`: a live transformers model that answers through lm-eval's own class for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from lm_eval.models.huggingface import HFLM

from evaluators.scores import BrokenModel, Conditions
from evaluators.suite.command import SOFTMAX_DTYPE
from evaluators.suite.context import length_error, request_length
from evaluators.suite.generations import Generations
from evaluators.suite.hf_measurements import continuations, text_losses, weight_error
from evaluators.suite.sampling import SEED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lm_eval.api.instance import Instance
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.engine import TextLosses, Tokens, Weights


class HfEngine(HFLM):  # type: ignore[misc]  # lm_eval has no types
    """HFLM that caches token ids between calls and shows no progress bars.

    Responses are not cached, because the model's weights change between calls. A tokenizer without
    a padding token is given one.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int = 128,
        max_length: int | None = None,
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
        self._live = model
        _without_cache(model)

    @property
    def conditions(self) -> Conditions:
        """What the exact value of a score depends on, besides the weights and the documents."""
        return Conditions(self.batch_size, torch.get_num_threads(), str(self.device))

    def load(self, weights: Weights) -> None:
        """Merges in place; a model of other layers answers in place of the live one."""
        self._model = self._live  # frees the last model of other layers before the next is made
        self._model = weights.write_into(self._live)
        _without_cache(self._model)

    def weight_error(self) -> str | None:
        return weight_error(self.model)

    def text_losses(self, texts: Sequence[Tokens]) -> TextLosses:
        return text_losses(self.model, texts, self._pad)

    def continuations(self, prompts: Sequence[Tokens], new_tokens: int) -> list[list[int]]:
        return continuations(self.model, prompts, new_tokens, self._pad)

    @property
    def _pad(self) -> int:
        return self.tokenizer.pad_token_id or 0

    @torch.inference_mode()
    def respond(self, kind: str, requests: Sequence[Instance]) -> list[Any]:
        """The responses to requests of one type; halves the batch size when memory is exhausted.

        Tasks that sample draw the same numbers each time, so that scores repeat.
        """
        while True:
            torch.manual_seed(SEED)
            self._generations = self.cache_hook = Generations()
            try:
                responses: list[Any] = getattr(self, kind)(requests, disable_tqdm=True)
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise
            else:
                if kind == "generate_until":
                    return list(self._generations.texts(requests, responses))
                return responses
            self.batch_size_per_gpu = self.batch_size // 2
            torch.cuda.empty_cache()

    def limit_batch(self, requests: Sequence[Instance], tokens: int) -> None:
        """Reduce the batch size so that a batch of the longest requests has at most `tokens`."""
        longest = min(max(self._lengths(each) for each in requests), self.max_length)
        self.batch_size_per_gpu = max(1, min(self.batch_size, tokens // max(1, longest)))

    def length_error(self, task: str, requests: Sequence[Instance]) -> str | None:
        """Names the documents that lm-eval would truncate and only log; None if it would none."""
        limits = {"loglikelihood": self.max_length + 1}  # its last token is not an input
        return length_error(task, requests, self._lengths, self.max_length, limits)

    @property
    def _lengths(self) -> Callable[[Instance], int]:
        return partial(request_length, self)

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
        length = context.shape[1]
        limit = kwargs["max_length"] - length
        self._generations.add_batch(self._truncated(tokens[:, length:], limit, kwargs["stop"]))
        return tokens

    def _truncated(self, texts: torch.Tensor, limit: int, stops: Sequence[str]) -> list[bool]:
        """Whether each generated text has neither an end token nor a stop text at its limit.

        A text that has ended goes on until all of its batch have.
        """
        if texts.shape[1] < limit:
            return [False] * len(texts)
        ends = self.model.generation_config.eos_token_id
        ends = {self.eot_token_id, *(ends if isinstance(ends, list) else [ends])}
        return [
            ends.isdisjoint(tokens) and not any(s in self.tok_decode(tokens) for s in stops if s)
            for tokens in texts.tolist()
        ]


def _without_cache(model: PreTrainedModel) -> None:
    """Only logits are used; generation requests a cache itself."""
    model.config.get_text_config().use_cache = False


def _check_finite(_tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Stop a generation with NaN or infinite logits, which would otherwise give some token."""
    if not bool((logits < torch.inf).all()):  # transformers excludes tokens with -inf
        raise BrokenModel("the model's logits are not finite")
    return logits

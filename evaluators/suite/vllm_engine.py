"""The engine `vllm`: a living vLLM that takes merged weights and answers by lm-eval's class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from itertools import chain
from math import isfinite, log
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

os.environ |= {  # before vLLM is imported, which reads them
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # iterators are handed to the engine, so it is here
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

from lm_eval.models.vllm_causallms import VLLM
from vllm import SamplingParams, TokensPrompt

from evaluators.engine import TextLosses
from evaluators.scores import BrokenModel, Conditions
from evaluators.suite.context import length_error, request_length
from evaluators.suite.entropy import entropy_bound
from evaluators.suite.generations import Generations
from evaluators.suite.vllm_weights import replace_weights

if TYPE_CHECKING:
    from pathlib import Path

    from lm_eval.api.instance import Instance
    from torch import Tensor
    from vllm import RequestOutput

    from evaluators.engine import TensorStream, Tokens
    from evaluators.tasks import SuiteSettings

NO_MEDIA = {"image": 0, "video": 0, "audio": 0}
"""In a prompt: tasks are text, so a multi-part model needs neither its processor nor its towers."""
TOP = 20
"""Next tokens of which vLLM tells the probability."""


class VllmEngine(VLLM):  # type: ignore[misc]  # lm_eval has no types
    """One vLLM whose weights are replaced in place; they are random until the first ones come.

    Args:
        folder: config and tokenizer of the model, read only now.
        settings: those of vLLM, and the maximum length.
    """

    def __init__(self, folder: Path, settings: SuiteSettings) -> None:
        self._encoded: dict[tuple[str, bool | None], list[int]] = {}
        self._weight_error: str | None = None
        super().__init__(
            pretrained=str(folder),
            batch_size="auto",
            load_format="dummy",
            limit_mm_per_prompt=NO_MEDIA,
            **settings.vllm.arguments(settings.max_length, on_cpu=not torch.cuda.is_available()),
        )

    @property
    def conditions(self) -> Conditions:
        """What the exact value of a score depends on, besides the weights and the documents."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return Conditions(0, torch.get_num_threads(), device, f"vllm {version('vllm')}")

    def load(self, weights: TensorStream) -> None:
        """Replaces the weights, and forgets the prefixes that the last ones have computed."""
        self._weight_error = None
        tensors = weights.stream()
        first = next(tensors)  # what is wrong with a recipe is found before anything is replaced
        stream = self._checked(chain([first], tensors))
        replace_weights(self.model, stream)

    def weight_error(self) -> str | None:
        return self._weight_error

    def text_losses(self, texts: Sequence[Tokens]) -> TextLosses:
        """Of the next token vLLM tells the likeliest; the entropy has all others as equally likely.

        So it is an upper bound, exact for a certain and for a uniform prediction.
        """
        wanted = SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=TOP, detokenize=False)
        size = self.model.llm_engine.model_config.get_vocab_size()
        losses, entropies = [], []
        for tokens, output in zip(texts, self._ask(texts, wanted), strict=True):
            rows = [{t: each.logprob for t, each in row.items()} for row in _rows(output)]
            losses.append([-row[token] for token, row in zip(tokens[1:], rows, strict=True)])
            entropies += [entropy_bound(row.values(), size) for row in rows]
        return TextLosses(losses, fmean(entropies), log(size))

    def continuations(self, prompts: Sequence[Tokens], new_tokens: int) -> list[list[int]]:
        wanted = SamplingParams(temperature=0, max_tokens=new_tokens, detokenize=False)
        return [list(output.outputs[0].token_ids) for output in self._ask(prompts, wanted)]

    def respond(self, kind: str, requests: Sequence[Instance]) -> list[Any]:
        """The responses to requests of one type.

        Raises:
            BrokenModel: a weight is not finite.
        """
        if self._weight_error:
            raise BrokenModel(self._weight_error)
        self._generations = self.cache_hook = Generations()
        responses: list[Any] = getattr(self, kind)(requests, disable_tqdm=True)
        if kind == "generate_until":
            return list(self._generations.texts(requests, responses))
        return responses

    def limit_batch(self, requests: Sequence[Instance], tokens: int) -> None:
        """VLLM batches by itself."""

    def length_error(self, task: str, requests: Sequence[Instance]) -> str | None:
        """VLLM generates a token after each text, which has to fit too."""
        limits = {"loglikelihood": self.max_length - 1}
        length = partial(request_length, self)
        return length_error(task, requests, length, self.max_length, limits)

    def tok_encode(
        self, string: str | list[str], add_special_tokens: bool | None = None, **given: Any
    ) -> Any:
        """Token ids, which are kept: the prompts of all candidates are the same."""
        if not isinstance(string, str):
            return [self.tok_encode(each, add_special_tokens, **given) for each in string]
        key = (string, add_special_tokens)
        if key not in self._encoded:
            self._encoded[key] = super().tok_encode(string, add_special_tokens, **given)
        return self._encoded[key]

    def _loglikelihood_tokens(self, requests: Any, **_bars: Any) -> list[tuple[float, bool]]:
        answers: list[tuple[float, bool]] = super()._loglikelihood_tokens(
            requests, disable_tqdm=True
        )
        return answers

    def _model_generate(
        self, requests: Any, generate: bool = False, sampling_params: Any = None
    ) -> Any:
        for wanted in sampling_params or ():
            wanted.logprobs = 0  # of the generated token: a broken model is recognised by it
        with self._without_bars(len(requests)):
            found = super()._model_generate(requests, generate, sampling_params)
        if generate and not all(isfinite(each.outputs[0].cumulative_logprob) for each in found):
            raise BrokenModel("the model's logits are not finite")
        if generate:
            reasons = (each.outputs[0].finish_reason for each in found)
            self._generations.add_batch(reason == "length" for reason in reasons)
        return found

    @contextmanager
    def _without_bars(self, n_requests: int) -> Iterator[None]:
        """lm-eval has vLLM show a progress bar if it batches by itself."""
        self.batch_size: int | str = n_requests
        try:
            yield
        finally:
            self.batch_size = "auto"

    def _checked(self, stream: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """The same tensors; the first one that is not finite is noted, for the gate."""
        for name, tensor in stream:
            if self._weight_error is None and not bool(tensor.isfinite().all()):
                self._weight_error = f"weight {name} is not finite"
            yield name, tensor

    def _ask(self, prompts: Sequence[Tokens], wanted: SamplingParams) -> list[RequestOutput]:
        given = [TokensPrompt(prompt_token_ids=list(tokens)) for tokens in prompts]
        found: list[RequestOutput] = self.model.generate(given, wanted, use_tqdm=False)
        self.model.reset_prefix_cache()  # lm-eval's own command has not asked this before it scores
        return found


def _rows(output: RequestOutput) -> list[dict[int, Any]]:
    """The likeliest tokens at each position but the first."""
    return [row for row in output.prompt_logprobs or [] if row is not None]

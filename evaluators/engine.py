"""What a scoring engine is: a living language model that takes other weights and answers requests.

`evaluators.suite` has the engines: transformers (`hf`) and vLLM (`vllm`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.scores import Conditions

Tokens = Sequence[int]


class TensorStream(Protocol):
    """The weights of one model, tensor by tensor."""

    def stream(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor by its name in the model's files.

        Raises:
            ValueError: if the model has other layers than the living one.
        """


class Weights(TensorStream, Protocol):
    """The weights of one model, in either of the ways in which an engine takes them."""

    def write_into(self, model: PreTrainedModel) -> PreTrainedModel:
        """Writes them into a living model, in place; returns it.

        A model of other layers is returned as one of its own instead.
        """


@dataclass(frozen=True)
class TextLosses:
    """How well a model predicts some texts.

    `losses[text][token]` is the negative log-likelihood of each token but the first, in nats.
    """

    losses: Sequence[Sequence[float]]
    entropy: float
    """Of the next token, mean over all tokens, in nats."""
    max_entropy: float
    """Of a uniform prediction."""


class ScoringEngine(Protocol):
    """A living model."""

    @property
    def model(self) -> Any:
        """The living model, as its library has it."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Of its requests."""

    @property
    def max_length(self) -> int:
        """The model's context in tokens, prompt and answer together."""

    @property
    def conditions(self) -> Conditions:
        """What the exact value of a score depends on, besides the weights and the documents."""

    def load(self, weights: Weights) -> None:
        """Gives the living model these weights; nothing of the last ones answers any more."""

    def weight_error(self) -> str | None:
        """The first weight that is not finite, if there is one."""

    def text_losses(self, texts: Sequence[Tokens]) -> TextLosses:
        """How well the model predicts some texts of at least two tokens each."""

    def continuations(self, prompts: Sequence[Tokens], new_tokens: int) -> list[list[int]]:
        """The likeliest tokens after each prompt, at most so many."""

    def respond(self, kind: str, requests: Sequence[Instance]) -> list[Any]:
        """The responses to requests of one of lm-eval's types.

        Generated texts may say how they ended (`evaluators.suite.generations`).
        """

    def limit_batch(self, requests: Sequence[Instance], tokens: int) -> None:
        """Reduces the batch size so that a batch of the longest requests has at most `tokens`."""

    def length_error(self, task: str, requests: Sequence[Instance]) -> str | None:
        """Names the documents that do not fit into the model's context; None if all do."""

    def apply_chat_template(self, chat_history: list[dict[str, str]], **given: Any) -> str:
        """A conversation as the text of a prompt."""

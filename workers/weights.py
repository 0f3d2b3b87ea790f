"""Merged weights on the way into a scoring engine, and the engine that takes them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.suite import make_hf_engine, make_vllm_engine
from workers.checkpoint import (
    Checkpoint,
    DerivedCheckpoint,
    load_model,
    load_tokenizer,
    write_model,
)
from workers.merge import merged_model
from workers.merging import Engine, MergeSettings
from workers.recipe import Recipe

NOTHING_FITS = 2**62
"""Bytes of GPU memory to leave free, so that `auto` places the models on the host."""

MakeEngine = Callable[..., "ScoringEngine"]
"""Called as `scoring_engine`."""
TOLERANCE = 1e-3
"""Of a loss, between weights from files and weights in place: both are rounded alike."""

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.engine import ScoringEngine, Weights
    from evaluators.tasks import SuiteSettings


@dataclass(frozen=True)
class Merge:
    """A recipe of the models that an engine holds."""

    engine: Engine
    recipe: Recipe

    def stream(self) -> Iterator[tuple[str, Tensor]]:
        """Every merged tensor by its name in the files."""
        return self.engine.stream(self.recipe)

    def write_into(self, model: PreTrainedModel) -> PreTrainedModel:
        """Merges into the living model, in place."""
        self.engine.apply(self.recipe, model)
        return model


@dataclass(frozen=True)
class StackedWeights:
    """A recipe whose model has other layers than the living one."""

    recipe: Recipe

    def stream(self) -> Iterator[tuple[str, Tensor]]:
        """No engine can take them into a model of other layers."""
        raise ValueError(
            "this recipe stacks other layers than the run's models have, and the engine vllm holds "
            "a model of their depth; search with `scoring: {engine: hf}`"
        )

    def write_into(self, model: PreTrainedModel) -> PreTrainedModel:
        """A model of its own on the same device; the living one stays as it is."""
        return merged_model(self.recipe, model.device)


def beside_engine(merging: MergeSettings, scoring: SuiteSettings) -> MergeSettings:
    """The settings of merges; beside vLLM, which takes its share of the GPU later, on the host."""
    if scoring.engine != "vllm" or merging.placement != "auto":
        return merging
    return merging.model_copy(update={"reserve": NOTHING_FITS})


def check_loading(
    engine: ScoringEngine, base: Weights, other: Weights, texts: Sequence[str]
) -> None:
    """Whether an engine that has the base's weights from files takes weights in place.

    It must predict the texts as before after it has had other weights. Of some architectures
    vLLM keeps a part of the weights that it had (experts, in its CPU build).

    Raises:
        ValueError: if the engine predicts otherwise.
    """
    tokens = [found for text in texts if len(found := engine.tokenizer(text).input_ids[:64]) > 1]
    expected = engine.text_losses(tokens).losses
    engine.load(other)
    engine.load(base)
    pairs = zip(chain(*expected), chain(*engine.text_losses(tokens).losses), strict=True)
    if not all(abs(one - two) <= TOLERANCE * max(1.0, abs(one)) for one, two in pairs):
        raise ValueError(
            "scoring.engine: vllm does not take the weights of this architecture in place: with "
            "the base's it predicts other tokens than from the base's files; set `engine: hf`"
        )


def _check_tokenizer(engine: ScoringEngine, own: PreTrainedTokenizerBase) -> None:
    """Whether an engine reads the tokenizer's files as transformers does.

    Raises:
        ValueError: if it has other tokens.
    """
    theirs = engine.tokenizer.get_vocab()
    if different := [t for t, i in own.get_vocab().items() if theirs.get(t, i) != i]:
        raise ValueError(
            f"scoring.engine: vllm reads the tokenizer otherwise: token {different[0]!r} is "
            f"{theirs[different[0]]}, in transformers {own.get_vocab()[different[0]]}; set "
            "`engine: hf`"
        )


@contextmanager
def model_directory(checkpoint: Checkpoint) -> Iterator[Path]:
    """The model's directory, or one for a while if it differs from its files."""
    if not isinstance(checkpoint, DerivedCheckpoint):
        yield checkpoint.path
        return
    with tempfile.TemporaryDirectory(prefix="mergefront-") as folder:
        tensors = ((name, checkpoint.tensor(name)) for name in checkpoint.tensors)
        out = Path(folder) / "model"
        write_model(out, tensors, like=checkpoint, dtype=checkpoint.dtype)
        yield out


def scoring_engine(
    settings: SuiteSettings, base: Checkpoint, *, device: str, spread: bool
) -> ScoringEngine:
    """The engine of the settings, with the weights of the base.

    Args:
        settings: the engine and its own settings.
        base: the checkpoint that every merged model is like.
        device: `cpu` or `cuda`.
        spread: place the model on all GPUs of this process.

    Raises:
        ValueError: if the engine is not installed or cannot run this model.
    """
    if settings.engine == "vllm":
        with model_directory(base) as folder:
            engine = make_vllm_engine(folder, settings)
        _check_tokenizer(engine, load_tokenizer(base))
        return engine
    model = load_model(base, device=device, spread=spread)
    return make_hf_engine(model, load_tokenizer(base), settings)

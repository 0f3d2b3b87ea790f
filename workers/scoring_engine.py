"""Starts the scoring engine of a worker."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from evaluators.suite import make_hf_engine, make_vllm_engine, vllm_error
from workers.checkpoint import (
    Checkpoint,
    DerivedCheckpoint,
    load_model,
    load_tokenizer,
    write_config,
)
from workers.loading_check import Losses, check_loading, check_tokenizer, sample_tokens
from workers.merging import MergeSettings
from workers.weights import FileWeights

if TYPE_CHECKING:
    from evaluators.engine import ScoringEngine, Tokens
    from evaluators.tasks import SuiteSettings

MakeEngine = Callable[..., "ScoringEngine"]
"""Called as `scoring_engine`."""

NOTHING_FITS = 2**62
"""Bytes of GPU memory to leave free, so that `auto` places the models on the host."""


def check_installed(settings: SuiteSettings) -> None:
    """Whether the engine is in this environment, before anything that takes time.

    Raises:
        ValueError: if it is not, or is too old.
    """
    if settings.engine == "vllm" and (error := vllm_error()):
        raise ValueError(error)


def beside_engine(merging: MergeSettings, scoring: SuiteSettings) -> MergeSettings:
    """The settings of merges; beside vLLM, which takes its share of the GPU later, on the host."""
    if scoring.engine != "vllm" or merging.placement != "auto":
        return merging
    return merging.model_copy(update={"reserve": NOTHING_FITS})


@contextmanager
def config_directory(checkpoint: Checkpoint) -> Iterator[Path]:
    """Config and tokenizer of a model: its directory, or one for a while if its files differ."""
    if not isinstance(checkpoint, DerivedCheckpoint):
        yield checkpoint.path
        return
    with tempfile.TemporaryDirectory(prefix="mergefront-") as folder:
        write_config(Path(folder), checkpoint)
        yield Path(folder)


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
        return _vllm_engine(settings, base, device)
    model = load_model(base, device=device, spread=spread)
    return make_hf_engine(model, load_tokenizer(base), settings)


def _vllm_engine(settings: SuiteSettings, base: Checkpoint, device: str) -> ScoringEngine:
    """A vLLM with the base's weights, which predicts what transformers does with them."""
    tokenizer = load_tokenizer(base)
    limit = settings.vllm.max_model_len or settings.max_length or 2**31
    rows = base.vocabulary_rows or len(tokenizer)
    texts = sample_tokens(tokenizer, rows, most=max(2, limit - 1))
    expected = _losses(settings, base, device, texts)  # before vLLM takes the memory
    with config_directory(base) as folder:
        engine = make_vllm_engine(folder, settings)
    check_tokenizer(engine, tokenizer)
    check_loading(engine, FileWeights(base), texts, expected)
    return engine


def _losses(
    settings: SuiteSettings, base: Checkpoint, device: str, texts: Sequence[Tokens]
) -> Losses:
    """Those of transformers, which is gone from memory afterwards."""
    if not texts:
        return []
    model = load_model(base, device=device)
    losses = make_hf_engine(model, load_tokenizer(base), settings).text_losses(texts).losses
    del model
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    return losses

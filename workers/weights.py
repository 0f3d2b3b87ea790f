"""Merged weights on the way into a scoring engine, and the engine that takes them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.suite import make_hf_engine, make_vllm_engine
from workers.checkpoint import Checkpoint, load_model, load_tokenizer, write_config
from workers.merge import merged_model
from workers.merging import Engine, MergeSettings
from workers.recipe import Recipe

NOTHING_FITS = 2**62
"""Bytes of GPU memory to leave free, so that `auto` places the models on the host."""

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from evaluators.engine import ScoringEngine
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
        with tempfile.TemporaryDirectory(prefix="mergefront-") as folder:
            write_config(Path(folder), base)
            return make_vllm_engine(Path(folder), settings)
    model = load_model(base, device=device, spread=spread)
    return make_hf_engine(model, load_tokenizer(base), settings)

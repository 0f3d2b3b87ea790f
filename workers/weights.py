"""The weights of one model, on the way into a scoring engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.checkpoint import Checkpoint, load_model, with_towers
from workers.merge import merged_model
from workers.merging import Engine
from workers.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


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
class FileWeights:
    """The weights of a model as its files have them, with those that are not merged."""

    checkpoint: Checkpoint

    def stream(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor by its name in the files."""
        whole = with_towers(self.checkpoint)
        for name in whole.tensors:
            yield name, whole.tensor(name)

    def write_into(self, model: PreTrainedModel) -> PreTrainedModel:
        """A model of its own on the same device; the living one stays as it is."""
        living: PreTrainedModel = load_model(self.checkpoint, device=str(model.device))
        return living


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

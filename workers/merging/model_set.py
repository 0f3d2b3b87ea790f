"""The checkpoints of an engine: models whose tensors have the same names and shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from workers.merging.cache import digest
from workers.merging.statistics import BASE
from workers.recipe import module_of

if TYPE_CHECKING:
    from workers.checkpoint import Checkpoint


class ModelSet:
    """Checkpoints by name, checked against each other; tensors stay memory-mapped once read.

    The reference (the base, or the first model) defines names, order and shapes. A tied head is
    read from the embedding.

    Raises:
        ValueError: if tensors are missing, unexpected or of different shapes.
    """

    def __init__(self, models: Mapping[str, Checkpoint], base: Checkpoint | None) -> None:
        if not models and base is None:
            raise ValueError("no models: an engine needs at least one checkpoint")
        if base is not None and BASE in models:
            raise ValueError(f"a model cannot be named {BASE!r} beside a base")
        self.checkpoints = {**({BASE: base} if base else {}), **models}
        self.models = tuple(models)
        self.has_base = base is not None
        first = next(iter(self.checkpoints))
        self.reference = self.checkpoints[first]
        self._mapped: dict[tuple[str, str], Tensor] = {}
        errors = [
            f"model {name!r}: {error}"
            for name, checkpoint in self.checkpoints.items()
            for error in self._errors(checkpoint, first)
        ]
        if errors:
            raise ValueError("these models do not fit together: " + "; ".join(errors))

    @property
    def names(self) -> tuple[str, ...]:
        """Every tensor of the merged model, in the reference's order."""
        return tuple(self.reference.tensors)

    @property
    def entries(self) -> int:
        """Entries of the merged model."""
        return sum(math.prod(info.shape) for info in self.reference.tensors.values())

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor of the merged model, in order."""
        return {name: info.shape for name, info in self.reference.tensors.items()}

    def digest(self) -> str:
        """Identifies the content of all models, and so their statistics."""
        contents = {name: each.content for name, each in self.checkpoints.items()}
        base = contents[BASE] if self.has_base else None
        return digest(base, [contents[name] for name in self.models])

    def all_flat(self, tensor: str) -> dict[str, Tensor]:
        """One tensor of every model by name, the base first."""
        return {model: self.flat(model, tensor) for model in self.checkpoints}

    def flat(self, model: str, tensor: str) -> Tensor:
        """One tensor of one model, memory-mapped and flat."""
        if (model, tensor) not in self._mapped:
            checkpoint = self.checkpoints[model]
            found = checkpoint.tensor(self._stored(checkpoint, tensor))
            self._mapped[model, tensor] = found.reshape(-1)
        return self._mapped[model, tensor]

    def _stored(self, checkpoint: Checkpoint, tensor: str) -> str:
        """The name in a checkpoint's files: that of the embedding for a tied head."""
        if checkpoint.tied and module_of(tensor) == "head":
            shape = self.reference.tensors[tensor].shape
            for name, info in checkpoint.tensors.items():
                if module_of(name) == "embed" and info.shape == shape:
                    return name
        return tensor

    def _errors(self, checkpoint: Checkpoint, first: str) -> list[str]:
        expected = self.reference.tensors
        errors = []
        for name, info in expected.items():
            found = checkpoint.tensors.get(self._stored(checkpoint, name))
            if found is None:
                errors.append(f"has no {name}")
            elif found.shape != info.shape:
                errors.append(f"{name} is {found.shape}, but {info.shape} in {first!r}")
        errors += [
            f"has {name}, which {first!r} does not have"
            for name in checkpoint.tensors
            if name not in expected and not (checkpoint.tied and module_of(name) == "head")
        ]
        return errors[:3]

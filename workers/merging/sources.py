"""The checkpoints of an engine as one set of tensors that go together."""

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


class Sources:
    """Checkpoints by name, checked against each other; tensors stay memory-mapped once read.

    The reference (the base, or the first model) decides names, order and shapes. The head of a
    model that ties it is its embedding.

    Raises:
        ValueError: if tensors are missing, left over or of different shapes.
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
        faults = [
            f"model {name!r}: {fault}"
            for name, checkpoint in self.checkpoints.items()
            for fault in self._faults(checkpoint, first)
        ]
        if faults:
            raise ValueError("these models do not go together: " + "; ".join(faults))

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
        """Of the content of all models: statistics belong to it."""
        prints = {name: each.fingerprint for name, each in self.checkpoints.items()}
        base = prints[BASE] if self.has_base else None
        return digest(base, [prints[name] for name in self.models])

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
        """The name in a checkpoint's files: a tied head is its embedding."""
        if checkpoint.tied and module_of(tensor) == "head":
            shape = self.reference.tensors[tensor].shape
            for name, info in checkpoint.tensors.items():
                if module_of(name) == "embed" and info.shape == shape:
                    return name
        return tensor

    def _faults(self, checkpoint: Checkpoint, first: str) -> list[str]:
        wanted = self.reference.tensors
        faults = []
        for name, info in wanted.items():
            found = checkpoint.tensors.get(self._stored(checkpoint, name))
            if found is None:
                faults.append(f"has no {name}")
            elif found.shape != info.shape:
                faults.append(f"{name} is {found.shape}, but {info.shape} in {first!r}")
        faults += [
            f"has {name}, which {first!r} has not"
            for name in checkpoint.tensors
            if name not in wanted and not (checkpoint.tied and module_of(name) == "head")
        ]
        return faults[:3]

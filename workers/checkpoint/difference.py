"""Statistics of task vectors, the differences of models to their base, per layer and module class.

Tensors are read in chunks, so memory use does not depend on the size of the models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch

from workers.checkpoint.checkpoint import Checkpoint
from workers.recipe import layer_of, module_of

CHUNK = 1 << 22  # entries read at a time
Position = tuple[int | None, str]
"""Layer (None outside the layers) and module class."""


@dataclass(frozen=True)
class Difference:
    """Statistics of the task vectors in one module class of one layer."""

    layer: int | None
    module: str
    entries: int
    norms: Mapping[str, float]
    """Of each model's task vector, relative to the norm of the base's tensors."""
    cosines: Mapping[tuple[str, str], float]
    """Between the task vectors of two models; 0 where one of them is 0."""
    conflict: float
    """Among entries that two or more models change: the share changed in both directions."""


def differences(base: Checkpoint, models: Mapping[str, Checkpoint]) -> list[Difference]:
    """The statistics of every layer and module class, in the order of the base's tensors."""
    sums: dict[Position, _Sums] = {}
    for tensor in base.tensors:
        position = layer_of(tensor), module_of(tensor)
        running = sums.setdefault(position, _Sums(tuple(models)))
        for b, deltas in _chunks(tensor, base, models):
            running.add(b, deltas)
    return [running.difference(*position) for position, running in sums.items()]


def _chunks(
    tensor: str, base: Checkpoint, models: Mapping[str, Checkpoint]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Chunks of the base's tensor, (entry,), and of the models' task vectors, (model, entry)."""
    flat = base.tensor(tensor).reshape(-1)
    others = [model.tensor(tensor).reshape(-1) for model in models.values()]
    for start in range(0, len(flat), CHUNK):
        part = slice(start, start + CHUNK)
        b = flat[part].float()
        yield b, torch.stack([other[part].float() - b for other in others])


class _Sums:
    """Running sums over chunks."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.gram = torch.zeros(len(names), len(names), dtype=torch.float64)
        self.base = 0.0
        self.entries = self.changed = self.conflicting = 0

    def add(self, base: torch.Tensor, deltas: torch.Tensor) -> None:
        self.gram += (deltas @ deltas.T).double()
        self.base += float(base @ base)
        self.entries += len(base)
        up, down = (deltas > 0).sum(0), (deltas < 0).sum(0)
        self.changed += int((up + down >= 2).sum())
        self.conflicting += int(((up > 0) & (down > 0)).sum())

    def difference(self, layer: int | None, module: str) -> Difference:
        norms = self.gram.diagonal().sqrt().tolist()
        return Difference(
            layer=layer,
            module=module,
            entries=self.entries,
            norms={
                name: norm / (self.base**0.5 or 1.0)
                for name, norm in zip(self.names, norms, strict=True)
            },
            cosines={
                (self.names[i], self.names[j]): float(self.gram[i, j])
                / (norms[i] * norms[j] or 1.0)
                for i, j in combinations(range(len(self.names)), 2)
            },
            conflict=self.conflicting / (self.changed or 1),
        )

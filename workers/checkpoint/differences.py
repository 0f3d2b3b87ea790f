"""How far models are from their base, and how far they agree: per layer and module class.

Streams tensor by tensor in pieces, so memory does not grow with the models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch

from workers.checkpoint.reading import Checkpoint
from workers.recipe import layer_of, module_of

PIECE = 1 << 22  # entries read at a time
Place = tuple[int | None, str]
"""Layer (None outside the layers) and module class."""


@dataclass(frozen=True)
class Difference:
    """The task vectors of some models at one place."""

    layer: int | None
    module: str
    entries: int
    norms: Mapping[str, float]
    """Of each model's task vector, relative to the norm of the base there."""
    cosines: Mapping[tuple[str, str], float]
    """Between the task vectors of two models; 0 where one of them is 0."""
    conflict: float
    """Share of the entries that at least two models move, and not all in one direction."""


def differences(base: Checkpoint, models: Mapping[str, Checkpoint]) -> list[Difference]:
    """Every place's difference, in the order of the base's tensors."""
    sums: dict[Place, _Sums] = {}
    for tensor in base.tensors:
        place = layer_of(tensor), module_of(tensor)
        running = sums.setdefault(place, _Sums(tuple(models)))
        for b, deltas in _pieces(tensor, base, models):
            running.add(b, deltas)
    return [running.difference(*place) for place, running in sums.items()]


def _pieces(
    tensor: str, base: Checkpoint, models: Mapping[str, Checkpoint]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Pieces of the base's tensor, and of the models' task vectors (model, entry)."""
    flat = base.tensor(tensor).reshape(-1)
    others = [model.tensor(tensor).reshape(-1) for model in models.values()]
    for start in range(0, len(flat), PIECE):
        part = slice(start, start + PIECE)
        b = flat[part].float()
        yield b, torch.stack([other[part].float() - b for other in others])


class _Sums:
    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.gram = torch.zeros(len(names), len(names), dtype=torch.float64)
        self.base = 0.0
        self.entries = self.moved = self.clashing = 0

    def add(self, base: torch.Tensor, deltas: torch.Tensor) -> None:
        self.gram += (deltas @ deltas.T).double()
        self.base += float(base @ base)
        self.entries += len(base)
        up, down = (deltas > 0).sum(0), (deltas < 0).sum(0)
        self.moved += int((up + down >= 2).sum())
        self.clashing += int(((up > 0) & (down > 0)).sum())

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
            conflict=self.clashing / (self.moved or 1),
        )

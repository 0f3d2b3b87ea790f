"""Sums that are equal to the last bit for any threads, chunks and vector width.

torch and numpy sum in an order that depends on the machine. Here every addition is elementwise,
in an order fixed by `LANES` and `BLOCK`: blocks are folded in half until `LANES` wide and added one
after the other, and the lanes are folded in half at the end. All sums are float64, in which a
product of two float32 is exact.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 1 << 15
LANES = 1 << 11


class Sum:
    """A running sum over the blocks of a tensor, in order."""

    def __init__(self) -> None:
        self._lanes = torch.zeros(LANES, dtype=torch.float64)

    def add(self, block: Tensor) -> None:
        """Adds the next block, float64 and at most `BLOCK` long, and overwrites it."""
        if len(block) < BLOCK:
            block = torch.nn.functional.pad(block, (0, BLOCK - len(block)))
        self._lanes += _fold(block, LANES)

    @property
    def value(self) -> float:
        """The sum so far."""
        return float(_fold(self._lanes.clone(), 1))


def _fold(values: Tensor, width: int) -> Tensor:
    while len(values) > width:
        half = len(values) // 2
        values = values[:half].add_(values[half:])
    return values

"""Landscapes for benchmarks of samplers: the losses of any recipe of a space, without merging."""

from __future__ import annotations

from functools import cache
from typing import Protocol

import numpy as np

from scripts.landscapes.measured import Measured
from scripts.landscapes.synthetic import Synthetic
from search.ledger.trial import Proposal
from search.objectives import Objective
from search.space import Space

LANDSCAPES = ("measured", "layers", "deep")


class Landscape(Protocol):
    """A space, and the losses of its recipes."""

    space: Space
    objectives: list[Objective]

    def losses(self, proposal: Proposal) -> np.ndarray:
        """One loss per objective."""

    def normalised(self, losses: np.ndarray) -> np.ndarray:
        """Losses on the scale on which the best of base and models is 0 and the worst 1."""


@cache
def load(name: str, seed: int) -> Landscape:
    """A landscape by name; the seed selects an instance of a synthetic one."""
    if name == "measured":
        return Measured()
    return (
        Synthetic(seed, models=3, groups=4) if name == "layers"
        else Synthetic(seed, models=4, groups=16)
    )  # fmt: skip

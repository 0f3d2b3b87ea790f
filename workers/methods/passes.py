"""What a method answers for one tensor: one of three passes over memory, and its numbers.

Only numbers live here; the arithmetic is in `workers.merging`. Every tuple has one entry per model,
in the recipe's order. With b the base, x_j the models and δ_j = x_j − b:

    LinearCombination   c_0·b + Σ c_j·x_j
    MaskedSum           b + Σ c_j·(δ_j where kept)
    ElectedSum          b + scale · the sum (or weighted mean) of those w_j·(δ_j where kept) whose
                        sign is that of their sum over j
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Keeps the entries with least <= |δ_j| <= most."""

    least: tuple[float, ...]
    most: tuple[float, ...]


@dataclass(frozen=True)
class Chance:
    """Keeps each entry with probability `density`, decided by a hash (docs/merging.md)."""

    density: tuple[float, ...]


Keep = Window | Chance


@dataclass(frozen=True)
class LinearCombination:
    """A weighted sum of the models and the base."""

    coefficients: tuple[float, ...]
    base: float = 0.0


@dataclass(frozen=True)
class MaskedSum:
    """The base plus a weighted sum of what is kept of each task vector."""

    coefficients: tuple[float, ...]
    keep: Keep
    match_l1: tuple[float, ...] | None = None
    """Each kept part is scaled to this L1 norm first; None leaves it."""


@dataclass(frozen=True)
class ElectedSum:
    """The base plus, entry by entry, those weighted task vectors that agree with the majority."""

    weights: tuple[float, ...]
    keep: Keep
    factors: tuple[float, ...] | None = None
    """What each kept part is multiplied by, apart from its weight; None is 1."""
    scale: float = 1.0
    normalise: bool = False
    """Divide by the sum of the weights of those that agree."""
    match_l1: tuple[float, ...] | None = None


Pass = LinearCombination | MaskedSum | ElectedSum

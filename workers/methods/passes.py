"""What a method returns for one tensor: one of three passes over memory, with its numbers.

The arithmetic is in `workers.merging`. Every tuple has one entry per model, in the recipe's order.
With b the base, x_j the models and δ_j = x_j − b:

    LinearCombination   c_0·b + Σ c_j·x_j
    MaskedSum           b + Σ c_j·(δ_j where kept)
    ElectedSum          b + scale · the sum (or weighted mean) of those w_j·(δ_j where kept) whose
                        sign is that of their sum over j
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MagnitudeMask:
    """Keeps the entries with least <= |δ_j| <= most."""

    least: tuple[float, ...]
    most: tuple[float, ...]


@dataclass(frozen=True)
class RandomMask:
    """Keeps each entry with probability `density`, decided by a hash (docs/merging.md)."""

    density: tuple[float, ...]


Mask = MagnitudeMask | RandomMask


@dataclass(frozen=True)
class LinearCombination:
    """A weighted sum of the models and the base."""

    coefficients: tuple[float, ...]
    base: float = 0.0


@dataclass(frozen=True)
class MaskedSum:
    """The base plus a weighted sum of the masked task vectors."""

    coefficients: tuple[float, ...]
    mask: Mask
    match_l1: tuple[float, ...] | None = None
    """The L1 norm to which each masked task vector is scaled first; None for no scaling."""


@dataclass(frozen=True)
class ElectedSum:
    """The base plus, for each entry, the weighted task vectors that agree with the elected sign."""

    weights: tuple[float, ...]
    mask: Mask
    factors: tuple[float, ...] | None = None
    """Further factors of the masked task vectors; None is 1."""
    scale: float = 1.0
    normalise: bool = False
    """Whether to divide by the sum of the weights of those that agree."""
    match_l1: tuple[float, ...] | None = None


Pass = LinearCombination | MaskedSum | ElectedSum

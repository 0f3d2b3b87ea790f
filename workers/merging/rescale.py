"""mergekit's rescaling: what is left of a task vector gets back the L1 norm of the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from workers.merging import masks
from workers.merging.reduction import BLOCK, Sum
from workers.methods import ElectedSum, LinearCombination, MaskedSum, Pass, RandomMask

Pair = Callable[[int], tuple[Tensor, Tensor]]


def match_l1(plan: Pass, keys: Sequence[masks.Key], pair: Pair) -> Pass:
    """The plan with its `match_l1` turned into factors; needs one more reading of each model.

    Args:
        plan: what a method answered.
        keys: each model's mask.
        pair: base and j-th model's tensor, flat, on the CPU.
    """
    if isinstance(plan, LinearCombination) or plan.match_l1 is None:
        return plan
    if not isinstance(plan.mask, RandomMask):
        raise TypeError("match_l1 goes with RandomMask: a window's L1 norm is never random")
    shares = plan.coefficients if isinstance(plan, MaskedSum) else plan.weights
    ratios = tuple(
        _ratio(norm, density, key, *pair(j)) if share and density < 1.0 else 1.0
        for j, (share, norm, density, key) in enumerate(
            zip(shares, plan.match_l1, plan.mask.density, keys, strict=True)
        )
    )
    if isinstance(plan, ElectedSum):
        factors = plan.factors or (1.0,) * len(ratios)
        scaled = tuple(f * r for f, r in zip(factors, ratios, strict=True))
        return replace(plan, factors=scaled, match_l1=None)
    coefficients = tuple(c * r for c, r in zip(plan.coefficients, ratios, strict=True))
    return replace(plan, coefficients=coefficients, match_l1=None)


def _ratio(norm: float, density: float, key: masks.Key, base: Tensor, model: Tensor) -> float:
    left = Sum()
    words = (*key, masks.limit(density))
    noise = masks.Noise(*(torch.tensor(word, dtype=torch.int32) for word in words))
    ramp = torch.arange(BLOCK, dtype=torch.int32)
    for start in range(0, len(base), BLOCK):
        part = slice(start, min(start + BLOCK, len(base)))
        delta = model[part].float() - base[part].float()
        index = ramp[: len(delta)] + masks.wrapped(start)
        keep = masks.kept(index, noise, None, None, None)
        left.add(torch.where(keep, delta.abs_(), 0.0).double())
    return norm / left.value if min(norm, left.value) >= 1e-7 else 1.0

"""mergekit's rescaling: a masked task vector gets the L1 norm of the whole task vector."""

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
    """The plan with factors instead of `match_l1`; reads each model once more.

    Args:
        plan: a method's pass.
        keys: the mask key of each model.
        pair: base and j-th model's tensor, flat, on the CPU.
    """
    if isinstance(plan, LinearCombination) or plan.match_l1 is None:
        return plan
    if not isinstance(plan.mask, RandomMask):
        raise TypeError("match_l1 requires a RandomMask, not a MagnitudeMask")
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
    masked = Sum()
    integers = (*key, masks.limit(density))
    words = masks.MaskWords(*(torch.tensor(each, dtype=torch.int32) for each in integers))
    indices = torch.arange(BLOCK, dtype=torch.int32)
    for start in range(0, len(base), BLOCK):
        part = slice(start, min(start + BLOCK, len(base)))
        delta = model[part].float() - base[part].float()
        index = indices[: len(delta)] + masks.wrapped(start)
        keep = masks.kept(index, words, None, None, None)
        masked.add(torch.where(keep, delta.abs_(), 0.0).double())
    return norm / masked.value if min(norm, masked.value) >= 1e-7 else 1.0

"""The kernels of the three passes, each defined once for eager and compiled mode.

Every operation has an `out=`: in eager mode a buffer of one chunk; in compiled mode None, and the
whole pass becomes one kernel. Both give the same bytes, because every operation rounds once as
IEEE defines (multiplication and addition are never fused, as `add` with `alpha` would do), and
because the sign of a zero, which torch does not always define, cannot reach the result: negative
zeros are removed from the base.

Masked and elected sums are limited by the number of instructions, not by memory. In eager mode, a
comparison into bools costs seven times one into floats, so masks are 1.0 and 0.0; in compiled
mode, a choice between two computed results is the cheapest (`_add_where`).

Shapes: all tensors are flat, of one length, in any floating dtype; numbers are 0-dimensional
float32 tensors. Functions return float32, which the caller rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from workers.merging import masks
from workers.merging.buffers import Buffers


class Bounds(NamedTuple):
    """The magnitudes between which a mask keeps entries; 0-dimensional float32."""

    least: Tensor
    most: Tensor | None


Rule = Bounds | masks.MaskWords


def linear_combination(
    tensors: Sequence[Tensor], coefficients: Sequence[Tensor], buffers: Buffers
) -> Tensor:
    """Σ c_j·x_j; the base is one of the tensors."""
    total = _weighted(tensors[0], coefficients[0], buffers, buffers.total)
    for tensor, coefficient in zip(tensors[1:], coefficients[1:], strict=True):
        term = _weighted(tensor, coefficient, buffers, buffers.term)
        total = torch.add(total, term, out=buffers.total)
    return total


def masked_sum(
    base: Tensor,
    tensors: Sequence[Tensor],
    coefficients: Sequence[Tensor],
    rules: Sequence[Rule | None],
    index: Tensor,
    buffers: Buffers,
) -> Tensor:
    """The masked sum b + Σ c_j·(δ_j where rule j keeps it)."""
    base = _base(base, buffers)
    terms = zip(tensors, coefficients, rules, strict=True)
    total = _kept(base, *next(terms), index, buffers, buffers.total)
    for term in terms:
        added = _kept(base, *term, index, buffers, buffers.value)
        total = torch.add(total, added, out=buffers.total)
    return torch.add(base, total, out=buffers.total)


def elected_sum(
    base: Tensor,
    tensors: Sequence[Tensor],
    factors: Sequence[Tensor],
    weights: Sequence[Tensor],
    rules: Sequence[Rule | None],
    scale: Tensor,
    normalise: bool,
    index: Tensor,
    buffers: Buffers,
) -> Tensor:
    """The elected sum b + scale·Σ of those v_j = factor_j·(δ_j where kept) with the sign of Σ v_j.

    A sum of 0 counts as positive, as in mergekit. With `normalise`, Σ is divided by the sum of the
    weights of its terms, which are positive.
    """
    base = _base(base, buffers)
    outs = (buffers.votes or (None,) * len(tensors))[: len(tensors)]
    votes = [
        _kept(base, tensor, factor, rule, index, buffers, out)
        for tensor, factor, rule, out in zip(tensors, factors, rules, outs, strict=True)
    ]
    sign = _sign(_sum(votes, buffers.total), buffers.term)
    if normalise:
        total = _agreed_mean(votes, weights, sign, buffers)
    else:
        total = _agreed_sum(votes, sign, buffers)
    total = torch.mul(total, scale, out=buffers.total)
    return torch.add(base, total, out=buffers.total)


def _agreed_sum(votes: Sequence[Tensor], sign: Tensor, buffers: Buffers) -> Tensor:
    """Sum of the votes that have the sign; `relu` saves the comparison that a mask needs."""
    total: Tensor | float = 0.0
    for vote in votes:
        agreed = _relu(torch.mul(vote, sign, out=buffers.value), buffers.value)
        total = torch.add(agreed, total, out=buffers.total)
    return torch.mul(total, sign, out=buffers.total)


def _agreed_mean(
    votes: Sequence[Tensor], weights: Sequence[Tensor], sign: Tensor, buffers: Buffers
) -> Tensor:
    """The same, divided by the sum of their weights; 0 where there are none."""
    total: Tensor | float = 0.0
    share: Tensor | float = 1e-37  # too small to change any weight
    for vote, weight in zip(votes, weights, strict=True):
        aligned = torch.mul(vote, sign, out=buffers.value)
        agrees = torch.gt(aligned, 0.0, out=buffers.kept)
        total = _add_where(agrees, vote, total, buffers.value, buffers.total)
        share = _add_where(agrees, weight, share, buffers.value, buffers.share)
    return torch.div(total, share, out=buffers.total)


def _kept(
    base: Tensor,
    tensor: Tensor,
    factor: Tensor,
    rule: Rule | None,
    index: Tensor,
    buffers: Buffers,
    out: Tensor | None,
) -> Tensor:
    """The term factor·(x − b) where the rule keeps it, else 0; `base` as `_base` gives it."""
    delta = torch.sub(_float32(tensor, buffers.value), base, out=buffers.value)
    if rule is None:
        return torch.mul(delta, factor, out=out)
    if isinstance(rule, masks.MaskWords):
        keep = masks.kept(index, rule, buffers.hashed, buffers.shifted, buffers.kept)
    else:
        keep = _within(torch.abs(delta, out=buffers.term), rule, buffers)
    if out is None:
        return torch.where(keep, delta * factor, 0.0)
    return torch.mul(delta.mul_(keep), factor, out=out)


def _within(magnitude: Tensor, bounds: Bounds, buffers: Buffers) -> Tensor:
    """Whether magnitudes are within bounds; they are overwritten if there are buffers."""
    keep = torch.ge(magnitude, bounds.least, out=buffers.kept)
    if bounds.most is None:
        return keep
    small = torch.le(magnitude, bounds.most, out=buffers.term)
    return keep & small if buffers.kept is None else keep.mul_(small)


def _add_where(
    condition: Tensor,
    term: Tensor,
    total: Tensor | float,
    spare: Tensor | None,
    out: Tensor | None,
) -> Tensor:
    """The total plus the term where the condition holds; a total that is a float is almost 0."""
    if spare is not None:
        return torch.add(torch.mul(condition, term, out=spare), total, out=out)
    if isinstance(total, float):  # the initial value, too small to change any term
        return torch.where(condition, term, total)
    return torch.where(condition, total + term, total)


def _sum(terms: Sequence[Tensor], out: Tensor | None) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = torch.add(total, term, out=out)
    return total


def _sign(tensor: Tensor, out: Tensor | None) -> Tensor:
    """1 where the tensor is at least 0, else −1."""
    if out is None:
        return torch.where(tensor >= 0.0, 1.0, -1.0)
    return torch.ge(tensor, 0.0, out=out).mul_(2.0).sub_(1.0)


def _relu(tensor: Tensor, out: Tensor | None) -> Tensor:
    """The tensor where it is above 0, else 0 of either sign; in place if there is a buffer."""
    return torch.relu(tensor) if out is None else torch.relu_(tensor)


def _weighted(tensor: Tensor, coefficient: Tensor, buffers: Buffers, out: Tensor | None) -> Tensor:
    return torch.mul(_float32(tensor, buffers.value), coefficient, out=out)


def _base(base: Tensor, buffers: Buffers) -> Tensor:
    """The base in float32 without negative zeros: adding either zero to its zeros gives +0."""
    return torch.add(_float32(base, buffers.base), 0.0, out=buffers.base)


def _float32(tensor: Tensor, out: Tensor | None) -> Tensor:
    """The tensor in float32, converted into the buffer where it has another dtype."""
    if tensor.dtype is torch.float32:
        return tensor
    return tensor.to(torch.float32) if out is None else out.copy_(tensor)

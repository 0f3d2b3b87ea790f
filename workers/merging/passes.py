"""The three passes over memory, each defined once.

Every operation takes `out=`. Eager, that is a buffer of one chunk, made once; compiled, it is None
and the whole pass becomes one kernel. Both give the same bytes because every operation is one
IEEE rounding (a multiplication and an addition are never fused, as `add` with `alpha` would) and
because the sign of a zero, which torch leaves open in places, is kept from the result: the base
comes in without negative zeros.

The passes are bound by the number of instructions, not by memory, and comparisons are dear: eager,
one into bools costs seven times one into floats; compiled, a mask is four instructions. So a
choice is made by comparison only where `relu` cannot make it.

Shapes: all tensors are flat, of one length, in any floating dtype; numbers are 0-dimensional
float32 tensors. What a function returns is float32, rounded by whoever stores it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from workers.merging import masks


class Buffers(NamedTuple):
    """Where an eager pass keeps what is between its operations; all None for a compiled one."""

    base: Tensor | None = None
    value: Tensor | None = None
    term: Tensor | None = None
    total: Tensor | None = None
    share: Tensor | None = None
    kept: Tensor | None = None
    element: Tensor | None = None
    hashed: Tensor | None = None
    shifted: Tensor | None = None
    votes: Sequence[Tensor] | None = None
    """One for each model."""

    @classmethod
    def of(cls, length: int, device: torch.device, n_models: int) -> Buffers:
        """Buffers for chunks of up to `length` elements of up to `n_models` models."""
        *single, _ = cls._fields
        words = ("element", "hashed", "shifted")
        dtypes = {name: torch.int32 if name in words else torch.float32 for name in single}
        votes = torch.empty(n_models, length, dtype=torch.float32, device=device).unbind()
        return cls(
            **{name: torch.empty(length, dtype=d, device=device) for name, d in dtypes.items()},
            votes=votes,
        )

    def first(self, length: int) -> Buffers:
        """The same buffers, cut to a shorter chunk."""
        *single, votes = self
        cut = {
            name: buffer[:length]
            for name, buffer in zip(self._fields, single, strict=False)
            if isinstance(buffer, Tensor)
        }
        return Buffers(**cut, votes=[vote[:length] for vote in votes or ()])


class Bounds(NamedTuple):
    """The magnitudes between which entries are kept; 0-dimensional float32."""

    least: Tensor
    most: Tensor | None


Rule = Bounds | masks.Noise


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
    """Adds up those v_j = factor_j·(δ_j where kept) whose sign is that of Σ v_j: b + scale·Σ.

    A sum of 0 counts as positive, as in mergekit. With `normalise`, what is added up is divided by
    the sum of its weights, which are positive.
    """
    base = _base(base, buffers)
    rooms = (buffers.votes or (None,) * len(tensors))[: len(tensors)]
    votes = [
        _kept(base, tensor, factor, rule, index, buffers, room)
        for tensor, factor, rule, room in zip(tensors, factors, rules, rooms, strict=True)
    ]
    total = _sum(votes, buffers.total)
    sign = _sign(total, buffers.term)
    agreed = [
        _relu(torch.mul(vote, sign, out=room), room)
        for vote, room in zip(votes, rooms, strict=True)
    ]
    total = torch.mul(_sum(agreed, buffers.total), sign, out=buffers.total)
    if normalise:
        share = _shares(agreed, weights, buffers)
        total = torch.div(total, share, out=buffers.total)
    total = torch.mul(total, scale, out=buffers.total)
    return torch.add(base, total, out=buffers.total)


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
    if isinstance(rule, masks.Noise):
        keep = masks.kept(index, rule, buffers.hashed, buffers.shifted, buffers.kept)
        delta = _where(keep, delta, buffers.value)
    elif rule is not None:
        magnitude = torch.abs(delta, out=buffers.term)
        keep = torch.ge(magnitude, rule.least, out=buffers.kept)
        delta = _where(keep, delta, buffers.value)
        if rule.most is not None:
            keep = torch.le(magnitude, rule.most, out=buffers.kept)
            delta = _where(keep, delta, buffers.value)
    return torch.mul(delta, factor, out=out)


def _shares(agreed: Sequence[Tensor], weights: Sequence[Tensor], buffers: Buffers) -> Tensor:
    """Sum of the weights of those with a vote above 0; next to nothing where there is none."""
    share: Tensor | None = None
    for vote, weight in zip(agreed, weights, strict=True):
        rest = torch.sub(weight, torch.mul(vote, _HUGE, out=buffers.value), out=buffers.value)
        part = torch.sub(weight, _relu(rest, buffers.value), out=buffers.value)
        if share is not None:
            share = torch.add(share, part, out=buffers.share)
        else:
            share = part if buffers.share is None else buffers.share.copy_(part)
    assert share is not None  # there is at least one model
    above = _relu(torch.sub(share, _TINY, out=buffers.share), buffers.share)
    return torch.add(above, _TINY, out=buffers.share)


_HUGE = 1e38  # times any vote worth counting, more than any weight
_TINY = 1e-37  # what 0 is divided by; lost in the rounding of any weight


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


def _where(keep: Tensor, tensor: Tensor, out: Tensor | None) -> Tensor:
    """The tensor where `keep` holds, else 0 of either sign."""
    return torch.where(keep, tensor, 0.0) if out is None else torch.mul(tensor, keep, out=out)


def _relu(tensor: Tensor, out: Tensor | None) -> Tensor:
    """The tensor where it is above 0, else 0 of either sign; in place if there is a buffer."""
    return torch.relu(tensor) if out is None else torch.relu_(tensor)


def _weighted(tensor: Tensor, coefficient: Tensor, buffers: Buffers, out: Tensor | None) -> Tensor:
    return torch.mul(_float32(tensor, buffers.value), coefficient, out=out)


def _base(base: Tensor, buffers: Buffers) -> Tensor:
    """The base in float32, without negative zeros: whatever 0 is added to it, the sum is +0."""
    return torch.add(_float32(base, buffers.base), 0.0, out=buffers.base)


def _float32(tensor: Tensor, out: Tensor | None) -> Tensor:
    """The tensor in float32, converted into the buffer where it has another dtype."""
    if tensor.dtype is torch.float32:
        return tensor
    return tensor.to(torch.float32) if out is None else out.copy_(tensor)

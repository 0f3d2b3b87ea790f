"""The three passes over memory, each defined once.

Every operation takes `out=`. Eager, that is a buffer of one chunk, made once; compiled, it is None
and the whole pass becomes one kernel. Multiplications and additions stay separate operations
(`add` with `alpha` would fuse them into one rounding), so both give the same bytes.

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
    upward: Tensor | None = None
    downward: Tensor | None = None
    up_share: Tensor | None = None
    down_share: Tensor | None = None
    kept: Tensor | None = None
    element: Tensor | None = None
    hashed: Tensor | None = None
    shifted: Tensor | None = None

    @classmethod
    def of(cls, length: int, device: torch.device) -> Buffers:
        """Buffers for chunks of up to `length` elements."""
        dtypes = dict.fromkeys(cls._fields, torch.float32) | {
            "kept": torch.bool,
            **dict.fromkeys(("element", "hashed", "shifted"), torch.int32),
        }
        return cls(**{k: torch.empty(length, dtype=v, device=device) for k, v in dtypes.items()})

    def first(self, length: int) -> Buffers:
        """The same buffers, cut to a shorter chunk."""
        return Buffers(*(buffer[:length] for buffer in self if buffer is not None))


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
    base = _float32(base, buffers.base)
    zero = torch.zeros((), device=base.device)
    total: Tensor | None = None
    for tensor, coefficient, rule in zip(tensors, coefficients, rules, strict=True):
        term = kept_delta(base, tensor, rule, index, zero, buffers)
        if total is None:
            total = torch.mul(term, coefficient, out=buffers.total)
        else:
            term = torch.mul(term, coefficient, out=buffers.term)
            total = torch.add(total, term, out=buffers.total)
    return torch.add(base, total, out=buffers.total)  # type: ignore[arg-type]


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

    Both signs are summed on the way and the winner is picked at the end, so that no v_j has to be
    kept or computed twice. A sum of 0 counts as positive, as in mergekit.
    """
    base = _float32(base, buffers.base)
    zero = torch.zeros((), device=base.device)
    votes: Tensor | None = None
    sums: list[Tensor] = []
    for tensor, factor, weight, rule in zip(tensors, factors, weights, rules, strict=True):
        vote = kept_delta(base, tensor, rule, index, zero, buffers)
        vote = torch.mul(vote, factor, out=buffers.term)
        sums = _split(sums, vote, weight if normalise else None, zero, buffers)
        votes = _plus(votes, vote, buffers.total)
    won = torch.ge(votes, 0.0, out=buffers.kept)  # type: ignore[arg-type]
    total = torch.where(won, sums[0], sums[1], out=buffers.total)
    if normalise:
        share = torch.where(won, sums[2], sums[3], out=buffers.term)
        empty = torch.eq(share, 0.0, out=buffers.kept)  # nothing was kept here: 0 / 1
        one = torch.ones((), device=base.device)
        share = torch.where(empty, one, share, out=buffers.value)
        total = torch.div(total, share, out=buffers.total)
    total = torch.mul(total, scale, out=buffers.total)
    return torch.add(base, total, out=buffers.total)


def kept_delta(
    base: Tensor,
    tensor: Tensor,
    rule: Rule | None,
    index: Tensor,
    zero: Tensor,
    buffers: Buffers,
) -> Tensor:
    """δ = x − b where the rule keeps it, else 0; `base` is float32 already."""
    delta = torch.sub(_float32(tensor, buffers.value), base, out=buffers.value)
    if rule is None:
        return delta
    if isinstance(rule, masks.Noise):
        keep = masks.kept(index, rule, buffers.hashed, buffers.shifted, buffers.kept)
    else:
        magnitude = torch.abs(delta, out=buffers.term)
        keep = torch.ge(magnitude, rule.least, out=buffers.kept)
        if rule.most is not None:
            delta = torch.where(keep, delta, zero, out=buffers.value)
            keep = torch.le(magnitude, rule.most, out=buffers.kept)
    return torch.where(keep, delta, zero, out=buffers.value)


def _split(
    sums: list[Tensor], vote: Tensor, weight: Tensor | None, zero: Tensor, buffers: Buffers
) -> list[Tensor]:
    """Adds a model's votes to the sums upward and downward, and its weight to the shares."""
    targets = (buffers.upward, buffers.downward, buffers.up_share, buffers.down_share)
    kinds = [(torch.gt, vote), (torch.lt, vote)]
    if weight is not None:
        kinds += [(torch.gt, weight), (torch.lt, weight)]
    added = []
    for i, (compare, amount) in enumerate(kinds):
        agrees = compare(vote, 0.0, out=buffers.kept)
        part = torch.where(agrees, amount, zero, out=buffers.value if sums else targets[i])
        added.append(torch.add(sums[i], part, out=targets[i]) if sums else part)
    return added


def _plus(total: Tensor | None, term: Tensor, out: Tensor | None) -> Tensor:
    if total is not None:
        return torch.add(total, term, out=out)
    return term.clone() if out is None else out.copy_(term)


def _weighted(tensor: Tensor, coefficient: Tensor, buffers: Buffers, out: Tensor | None) -> Tensor:
    return torch.mul(_float32(tensor, buffers.value), coefficient, out=out)


def _float32(tensor: Tensor, out: Tensor | None) -> Tensor:
    """The tensor in float32, converted into the buffer where it has another dtype."""
    if tensor.dtype is torch.float32:
        return tensor
    return tensor.to(torch.float32) if out is None else out.copy_(tensor)

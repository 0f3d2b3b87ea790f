"""A method's pass as the arguments of a kernel: a layout, the models to read, and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from workers.merging import masks
from workers.merging.buffers import Buffers
from workers.merging.kernels import (
    Bounds,
    Rule,
    elected_sum,
    linear_combination,
    masked_sum,
)
from workers.methods import LinearCombination, Mask, MaskedSum, Pass, RandomMask


@dataclass(frozen=True)
class Layout:
    """A pass without its numbers: one kernel is compiled for each."""

    kind: Literal["linear", "masked", "elected"]
    n_models: int
    rule: Literal["all", "least", "band", "random"] = "all"
    normalise: bool = False


@dataclass(frozen=True)
class KernelCall:
    """The arguments for one tensor. Models with a weight of 0 are left out and not read."""

    layout: Layout
    members: tuple[int, ...]
    """Positions in the recipe of the models to read."""
    reads_base: bool
    numbers: tuple[float, ...]
    words: tuple[int, ...]


def kernel_call(plan: Pass, keys: Sequence[masks.Key]) -> KernelCall:
    """The kernel call that computes a pass; `keys` has the mask key of each model."""
    if isinstance(plan, LinearCombination):
        return _linear(plan)
    members = _members(plan.coefficients if isinstance(plan, MaskedSum) else plan.weights)
    if not members:
        return _linear(LinearCombination((), base=1.0))
    rule, rule_numbers, words = _rules(plan.mask, members, keys)
    if isinstance(plan, MaskedSum):
        numbers = _pick(plan.coefficients, members)
        layout = Layout("masked", len(members), rule)
    else:
        factors = plan.factors or (1.0,) * len(plan.weights)
        weighted = tuple(plan.weights[j] * factors[j] for j in members)
        numbers = (*weighted, *_pick(plan.weights, members), plan.scale)
        layout = Layout("elected", len(members), rule, plan.normalise)
    return KernelCall(layout, members, True, (*numbers, *rule_numbers), words)


def run_kernel(
    layout: Layout,
    tensors: Sequence[Tensor],
    numbers: Sequence[Tensor],
    words: Sequence[Tensor],
    index: Tensor,
    buffers: Buffers,
) -> Tensor:
    """The merged values (float32) of flat tensors of one length, the base first."""
    n = layout.n_models
    if layout.kind == "linear":
        return linear_combination(tensors, numbers, buffers)
    base, models = tensors[0], tensors[1:]
    if layout.kind == "masked":
        rules = _unpack(layout, numbers[n:], words)
        return masked_sum(base, models, numbers[:n], rules, index, buffers)
    rules = _unpack(layout, numbers[2 * n + 1 :], words)
    return elected_sum(
        base,
        models,
        numbers[:n],
        numbers[n : 2 * n],
        rules,
        numbers[2 * n],
        layout.normalise,
        index,
        buffers,
    )


def _linear(plan: LinearCombination) -> KernelCall:
    members = _members(plan.coefficients) or ((0,) if not plan.base else ())  # 0·x is 0
    base = (plan.base,) if plan.base else ()
    numbers = (*base, *_pick(plan.coefficients, members))
    return KernelCall(Layout("linear", len(numbers)), members, bool(base), numbers, ())


def _members(shares: Sequence[float]) -> tuple[int, ...]:
    return tuple(j for j, share in enumerate(shares) if share)


def _pick(values: Sequence[float], members: Sequence[int]) -> tuple[float, ...]:
    return tuple(values[j] for j in members)


def _rules(
    mask: Mask, members: Sequence[int], keys: Sequence[masks.Key]
) -> tuple[Literal["all", "least", "band", "random"], tuple[float, ...], tuple[int, ...]]:
    """The rule's kind, numbers and words; one kind for all models keeps kernels few."""
    if isinstance(mask, RandomMask):
        if all(mask.density[j] >= 1.0 for j in members):
            return "all", (), ()
        words = [(*keys[j], masks.limit(mask.density[j])) for j in members]
        return "random", (), tuple(word for triple in words for word in triple)
    least, most = _pick(mask.least, members), _pick(mask.most, members)
    if any(value < math.inf for value in most):
        return "band", (*least, *most), ()
    return ("least", least, ()) if any(least) else ("all", (), ())


def _unpack(
    layout: Layout, numbers: Sequence[Tensor], words: Sequence[Tensor]
) -> list[Rule | None]:
    n = layout.n_models
    if layout.rule == "random":
        return [masks.MaskWords(*words[3 * j : 3 * j + 3]) for j in range(n)]
    if layout.rule == "least":
        return [Bounds(numbers[j], None) for j in range(n)]
    if layout.rule == "band":
        return [Bounds(numbers[j], numbers[n + j]) for j in range(n)]
    return [None] * n


def pack_numbers(calls: Sequence[KernelCall], device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Numbers (float32) and words (int32) of each call, copied to the device in one transfer."""
    return list(
        zip(
            _rows([each.numbers for each in calls], torch.float32, device),
            _rows([each.words for each in calls], torch.int32, device),
            strict=True,
        )
    )


def _rows(
    rows: Sequence[Sequence[float]], dtype: torch.dtype, device: torch.device
) -> list[Tensor]:
    """The rows as views of one tensor, each aligned to 16 bytes for the kernels."""
    values: list[float] = [0.0] * 4  # no row at offset 0: torch would compile another kernel
    starts = []
    for row in rows:
        starts.append(len(values))
        values += [*row, *[0] * (-len(row) % 4)]
    table = torch.tensor(values, dtype=dtype).to(device)
    return [table[a : a + len(row)] for a, row in zip(starts, rows, strict=True)]

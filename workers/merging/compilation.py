"""Compiles kernels with `torch.compile`, where it is worth its seconds."""

from __future__ import annotations

import functools
import os
import shutil
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workers.merging.buffers import Buffers
from workers.merging.kernel_call import Layout, run_kernel

LARGE_MODEL = 50_000_000
"""Entries of a model above which a few candidates save more time than compiling costs."""

Kernel = Callable[..., None]
Options = dict[str, str | int | bool | Callable[..., Any]]

_INLINE: Options = {  # else torch splits a long kernel, and uses half of each vector on a CPU
    "realize_opcount_threshold": 10_000,
    "realize_reads_threshold": 1_000,
    "realize_acc_reads_threshold": 1_000,
}
_CPU_ROUNDING: Options = {
    "emulate_precision_casts": True,  # also: no fused multiply-add
    "eager_numerics.division_rounding": True,
    "eager_numerics.disable_ftz": True,
}


def should_compile(mode: str, device: torch.device, entries: int) -> bool:
    """Whether to compile; `auto` decides by the device, the size and the compiler."""
    if mode != "auto":
        return mode == "compiled"
    if device.type == "cuda":
        return True
    return entries >= LARGE_MODEL and shutil.which(compiler()) is not None


def compiler() -> str:
    """The C++ compiler that torch uses for kernels on a CPU."""
    return os.environ.get("CXX", "g++")


@functools.cache
def compiled_kernel(layout: Layout, device: str) -> Kernel:
    """The kernel of a layout, for tensors of any size; all numbers are inputs."""

    def kernel(
        tensors: Sequence[Tensor], numbers: Tensor, words: Tensor, start: int, out: Tensor
    ) -> None:
        index = torch.arange(len(out), dtype=torch.int32, device=out.device) + start
        values = run_kernel(layout, tensors, numbers.unbind(), words.unbind(), index, Buffers())
        out.copy_(values)

    # torch caches a limited number of kernels per code object: each layout gets its own
    own = types.FunctionType(
        kernel.__code__.replace(co_name=f"{layout.kind}_{layout.rule}_{layout.n_models}"),
        kernel.__globals__,
        closure=kernel.__closure__,
    )
    options = {**_INLINE, **(_CPU_ROUNDING if device == "cuda" else {})}
    compiled: Kernel = torch.compile(own, dynamic=True, fullgraph=True, options=options)
    return compiled

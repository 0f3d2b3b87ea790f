"""Runs passes: eager in chunks that fit a core's cache, or compiled into one kernel."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from workers.merging import masks
from workers.merging.passes import Buffers
from workers.merging.work import Layout, compute
from workers.settings import MergeSettings

SMALL = 4096
"""Entries below which a compiled call on a CPU costs more than it saves."""
LARGE_MODEL = 50_000_000
"""Entries of a model from which compiling (seconds, once) is repaid within a few candidates."""
SPAN = 1 << 30
"""Entries that one pass may take, so that an element's index stays within 32 bits."""
GPU_CHUNK = 1 << 22

log = logging.getLogger(__name__)

Kernel = Callable[..., None]
Options = dict[str, str | int | bool | Callable[..., Any]]

_INLINE: Options = {  # or torch splits a long pass, and its CPU kernels then take half vectors
    "realize_opcount_threshold": 10_000,
    "realize_reads_threshold": 1_000,
    "realize_acc_reads_threshold": 1_000,
}
_AS_ON_A_CPU: Options = {
    "emulate_precision_casts": True,  # also: no fused multiply-add
    "eager_numerics.division_rounding": True,
    "eager_numerics.disable_ftz": True,
}


class Runner:
    """Carries out passes on one device.

    Args:
        settings: mode, threads and chunk.
        device: where the tensors lie.
        entries: of the whole model, which decides whether compiling pays.
        n_models: the most that a pass will read.
    """

    def __init__(
        self, settings: MergeSettings, device: torch.device, *, entries: int, n_models: int
    ) -> None:
        self._device = device
        self._mode = settings.mode
        self._compiled = _compiles(settings.mode, device, entries)
        self._threads = settings.threads or torch.get_num_threads()
        self._chunk = settings.chunk if device.type == "cpu" else GPU_CHUNK
        self._small = SMALL if device.type == "cpu" else 2
        self._n_models = n_models
        self._lanes = self._threads if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self._lanes) if self._lanes > 1 else None

    @property
    def mode(self) -> str:
        """`eager` or `compiled`; the latter becomes the former where the compiler fails."""
        return "compiled" if self._compiled else "eager"

    @contextmanager
    def session(self) -> Iterator[None]:
        """Sets torch's threads for a series of passes: eager ones bring their own."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads if self._compiled else 1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @functools.cached_property
    def _buffers(self) -> list[Buffers]:
        """One set for each lane of chunks; a compiled runner may never need them."""
        return [Buffers.of(self._chunk, self._device, self._n_models) for _ in range(self._lanes)]

    @functools.cached_property
    def _ramp(self) -> Tensor:
        return torch.arange(self._chunk, dtype=torch.int32, device=self._device)

    def run(
        self,
        layout: Layout,
        tensors: Sequence[Tensor],
        numbers: Tensor,
        words: Tensor,
        out: Tensor,
    ) -> None:
        """One pass over flat tensors of one length, rounded into `out`.

        Raises:
            ValueError: if it should be compiled and cannot.
        """
        if not tensors:  # where no model has a share, as of a tensor that is 0 in all of them
            out.zero_()
            return
        for start in range(0, len(out), SPAN):
            part = slice(start, min(start + SPAN, len(out)))
            cut = [tensor[part] for tensor in tensors]
            small = len(out) < self._small
            if small or not self._ran_compiled(layout, cut, numbers, words, start, out[part]):
                self._eager(layout, cut, numbers, words, start, out[part])

    def _ran_compiled(
        self,
        layout: Layout,
        tensors: Sequence[Tensor],
        numbers: Tensor,
        words: Tensor,
        start: int,
        out: Tensor,
    ) -> bool:
        """Whether there is a kernel, and so it ran."""
        if not self._compiled:
            return False
        try:
            _kernel(layout, self._device.type)(tensors, numbers, words, masks.wrapped(start), out)
        except (
            torch._dynamo.exc.ShortenTraceback
        ) as error:  # what no compiler, or a bad one, raises
            self._give_up(error)
        return self._compiled

    def _give_up(self, error: Exception) -> None:
        """Goes on eager, if the settings leave the choice."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = next((line for line in lines if "error:" in line), lines[0])
        what = f"torch cannot compile for {self._device.type}: {cause}"
        if self._mode == "compiled":
            raise ValueError(f"mode 'compiled': {what}; repair that, or take eager") from error
        log.warning("merging eager: %s", what)
        self._compiled = False
        torch.set_num_threads(1)

    def _eager(
        self,
        layout: Layout,
        tensors: Sequence[Tensor],
        numbers: Tensor,
        words: Tensor,
        start: int,
        out: Tensor,
    ) -> None:
        unpacked = numbers.unbind(), words.unbind()
        starts = range(0, len(out), self._chunk)
        lanes, ramp = self._buffers, self._ramp

        def some(lane: int) -> None:
            for a in starts[lane :: len(lanes)]:
                part = slice(a, min(a + self._chunk, len(out)))
                length = part.stop - part.start
                buffers = lanes[lane] if length == self._chunk else lanes[lane].first(length)
                index = ramp[:length]
                if layout.rule == "chance":
                    index = torch.add(index, masks.wrapped(start + a), out=buffers.element)
                cut = [tensor[part] for tensor in tensors]
                out[part].copy_(compute(layout, cut, *unpacked, index, buffers))

        if self._pool and len(starts) > 1:
            list(self._pool.map(some, range(self._lanes)))
        else:
            for lane in range(self._lanes):
                some(lane)


def _compiles(mode: str, device: torch.device, entries: int) -> bool:
    if mode != "auto":
        return mode == "compiled"
    if device.type == "cuda":
        return True
    return entries >= LARGE_MODEL and shutil.which(compiler()) is not None


def compiler() -> str:
    """The C++ compiler that torch takes for kernels on a CPU."""
    return os.environ.get("CXX", "g++")


@functools.cache
def _kernel(layout: Layout, device: str) -> Kernel:
    """One kernel for every size: what changes between candidates and tensors is an input."""

    def kernel(
        tensors: Sequence[Tensor], numbers: Tensor, words: Tensor, start: int, out: Tensor
    ) -> None:
        index = torch.arange(len(out), dtype=torch.int32, device=out.device) + start
        values = compute(layout, tensors, numbers.unbind(), words.unbind(), index, Buffers())
        out.copy_(values)

    # torch keeps kernels, and a limit on their number, per code object: give each layout its own
    own = types.FunctionType(
        kernel.__code__.replace(co_name=f"{layout.kind}_{layout.rule}_{layout.n_models}"),
        kernel.__globals__,
        closure=kernel.__closure__,
    )
    options = {**_INLINE, **(_AS_ON_A_CPU if device == "cuda" else {})}
    compiled: Kernel = torch.compile(own, dynamic=True, fullgraph=True, options=options)
    return compiled

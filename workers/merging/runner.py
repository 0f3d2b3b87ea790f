"""Runs kernels: eager in chunks that fit a core's cache, or compiled."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

from workers.merging import masks
from workers.merging.buffers import Buffers
from workers.merging.compilation import compiled_kernel, should_compile
from workers.merging.kernel_call import Layout, run_kernel
from workers.settings import MergeSettings

SMALL = 4096
"""Entries below which a compiled call on a CPU costs more than it saves."""
SPAN = 1 << 30
"""Entries of one kernel run, so that an element's index fits into 32 bits."""
GPU_CHUNK = 1 << 22

log = logging.getLogger(__name__)


class Runner:
    """Runs kernels on one device.

    Args:
        settings: mode, threads and chunk.
        device: of the tensors.
        entries: of the whole model, which decides about `auto`.
        n_models: the largest number of models that a kernel reads.
    """

    def __init__(
        self, settings: MergeSettings, device: torch.device, *, entries: int, n_models: int
    ) -> None:
        self._device = device
        self._mode = settings.mode
        self._compiled = should_compile(settings.mode, device, entries)
        self._threads = settings.threads or torch.get_num_threads()
        self._chunk = settings.chunk if device.type == "cpu" else GPU_CHUNK
        self._small = SMALL if device.type == "cpu" else 2
        self._n_models = n_models
        self._eager_threads = self._threads if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self._eager_threads) if self._eager_threads > 1 else None

    @property
    def mode(self) -> str:
        """`eager` or `compiled`; it becomes `eager` if the compiler fails."""
        return "compiled" if self._compiled else "eager"

    @contextmanager
    def session(self) -> Iterator[None]:
        """Sets torch's threads for a series of runs; eager mode has threads of its own."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads if self._compiled else 1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @functools.cached_property
    def _buffers(self) -> list[Buffers]:
        """One set per thread; a compiled runner may never need them."""
        return [
            Buffers.of(self._chunk, self._device, self._n_models)
            for _ in range(self._eager_threads)
        ]

    @functools.cached_property
    def _indices(self) -> Tensor:
        return torch.arange(self._chunk, dtype=torch.int32, device=self._device)

    def run(
        self,
        layout: Layout,
        tensors: Sequence[Tensor],
        numbers: Tensor,
        words: Tensor,
        out: Tensor,
    ) -> None:
        """Merges flat tensors of one length into `out`, rounded to its dtype.

        Raises:
            ValueError: if the mode is `compiled` and the compiler fails.
        """
        if not tensors:  # all coefficients are 0, for example if the tensor is 0 in all models
            out.zero_()
            return
        for start in range(0, len(out), SPAN):
            part = slice(start, min(start + SPAN, len(out)))
            cut = [tensor[part] for tensor in tensors]
            small = len(out) < self._small
            if small or not self._run_compiled(layout, cut, numbers, words, start, out[part]):
                self._run_eager(layout, cut, numbers, words, start, out[part])

    def _run_compiled(
        self,
        layout: Layout,
        tensors: Sequence[Tensor],
        numbers: Tensor,
        words: Tensor,
        start: int,
        out: Tensor,
    ) -> bool:
        """Whether the compiled kernel ran; False in eager mode."""
        if not self._compiled:
            return False
        try:
            compiled_kernel(layout, self._device.type)(
                tensors, numbers, words, masks.wrapped(start), out
            )
        except torch._dynamo.exc.ShortenTraceback as error:  # raised without a working compiler
            self._switch_to_eager(error)
        return self._compiled

    def _switch_to_eager(self, error: Exception) -> None:
        """Switches to eager mode, unless the settings require compiled mode."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = next((line for line in lines if "error:" in line), lines[0])
        what = f"torch cannot compile for {self._device.type}: {cause}"
        if self._mode == "compiled":
            raise ValueError(f"mode 'compiled': {what}; fix the compiler, or use eager") from error
        log.warning("merging eager: %s", what)
        self._compiled = False
        torch.set_num_threads(1)

    def _run_eager(
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
        all_buffers, indices = self._buffers, self._indices

        def run_chunks(thread: int) -> None:
            for a in starts[thread :: len(all_buffers)]:
                part = slice(a, min(a + self._chunk, len(out)))
                length = part.stop - part.start
                buffers = all_buffers[thread]
                if length < self._chunk:
                    buffers = buffers.first(length)
                index = indices[:length]
                if layout.rule == "random":
                    index = torch.add(index, masks.wrapped(start + a), out=buffers.element)
                cut = [tensor[part] for tensor in tensors]
                out[part].copy_(run_kernel(layout, cut, *unpacked, index, buffers))

        if self._pool and len(starts) > 1:
            list(self._pool.map(run_chunks, range(self._eager_threads)))
        else:
            for thread in range(self._eager_threads):
                run_chunks(thread)

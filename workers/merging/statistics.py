"""Statistics of a set of models: dot products, norms and magnitude tables.

The models are read once, tensor by tensor. Each tensor is computed by one thread and every sum has
a fixed order (`reduction`), so the numbers are the same for any number of threads on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workers.merging.reduction import BLOCK, Sum
from workers.merging.tables import MagnitudeTable, build_table

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the total."""
Read = Callable[[str], Mapping[str, Tensor]]
"""The flat tensors of one name by model; the base is first, as `base`."""

SORT_CHUNK = 1 << 22
"""Entries sorted at a time for a magnitude table."""
BASE = "base"
"""The name under which a recipe may list the base as a model like any other."""


class Statistics(Protocol):
    """One tensor's statistics over all models.

    The vectors are the base and the task vectors; without a base, the models.
    """

    @property
    def size(self) -> int:
        """Number of entries."""

    @property
    def gram(self) -> NDArray[np.float64]:
        """Dot products of the vectors."""

    @property
    def l1(self) -> tuple[float, ...]:
        """L1 norm of each task vector; empty without a base."""

    @property
    def tables(self) -> tuple[MagnitudeTable, ...]:
        """Magnitudes of each task vector; empty without a base."""


@dataclass(frozen=True)
class StoredStatistics:
    """Statistics that have been computed."""

    size: int
    gram: NDArray[np.float64]
    l1: tuple[float, ...]
    tables: tuple[MagnitudeTable, ...]


class LazyStatistics:
    """Statistics that are computed when they are used: several methods use none.

    Args:
        name: the tensor's.
        tensors: flat, by model; the base is first, as `base`.

    Raises:
        ValueError: if a tensor has a value that is not finite.
    """

    def __init__(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = list(tensors.values())
        self._has_base = BASE in tensors
        for label, tensor in tensors.items():
            if tensor.numel() and not torch.isfinite(torch.stack(tensor.aminmax())).all():
                raise ValueError(
                    f"model {label!r}: {name} has values that are not finite (NaN or infinite); "
                    "every merge of it would have them too"
                )

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self._tensors[0])

    @property
    def gram(self) -> NDArray[np.float64]:
        """Dot products of the vectors."""
        return self._sums[0]

    @property
    def l1(self) -> tuple[float, ...]:
        """L1 norms."""
        return self._sums[1]

    @cached_property
    def tables(self) -> tuple[MagnitudeTable, ...]:
        """Magnitudes."""
        if not self._has_base:
            return ()
        base, *models = self._tensors
        return tuple(
            build_table(chunk.numpy() for chunk in magnitudes(base, model, SORT_CHUNK))
            for model in models
        )

    @cached_property
    def _sums(self) -> tuple[NDArray[np.float64], tuple[float, ...]]:
        return _sums(self._tensors, self._has_base)


def every_tenth(report: Callable[[str], object]) -> Progress:
    """A callback that reports each tenth of the progress as text."""
    reported = -1

    def progress(done: int, total: int) -> None:
        nonlocal reported
        if done * 10 // total > reported:
            reported = done * 10 // total
            report(f"statistics {done / 1e9:.1f} of {total / 1e9:.1f} GB")

    return progress


def compute_statistics(
    names: Sequence[str], read: Read, *, threads: int, progress: Progress | None = None
) -> dict[str, StoredStatistics]:
    """The statistics of every tensor; needs memory for a few chunks per thread.

    Raises:
        ValueError: if a model has a value that is not finite.
    """
    sizes = {name: sum(tensor.nbytes for tensor in read(name).values()) for name in names}
    total, done = sum(sizes.values()), 0
    statistics: dict[str, StoredStatistics] = {}
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the threads below are the parallelism
    try:
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda name: _stored(LazyStatistics(name, read(name))), names)
            for name, each in zip(names, found, strict=True):
                statistics[name] = each
                done += sizes[name]
                if progress:
                    progress(done, total)
    finally:
        torch.set_num_threads(before)
    return statistics


def magnitudes(base: Tensor, model: Tensor, length: int) -> Iterator[Tensor]:
    """|x − b| in float32 as kernels compute it, in chunks of `length` entries."""
    for start in range(0, len(base), length):
        part = slice(start, start + length)
        yield (model[part].float() - base[part].float()).abs_()


def _stored(statistics: Statistics) -> StoredStatistics:
    return StoredStatistics(statistics.size, statistics.gram, statistics.l1, statistics.tables)


def _sums(tensors: list[Tensor], has_base: bool) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    n = len(tensors)
    products = {(i, j): Sum() for i in range(n) for j in range(i + 1)}
    norms = [Sum() for _ in range(n - 1)] if has_base else []
    for start in range(0, len(tensors[0]), BLOCK):
        vectors = [tensor[start : start + BLOCK].float() for tensor in tensors]
        if has_base:
            vectors = [vectors[0], *(vector - vectors[0] for vector in vectors[1:])]
        doubles = [vector.double() for vector in vectors]
        for (i, j), running in products.items():
            running.add(doubles[i] * doubles[j])
        for vector, norm in zip(doubles[1:], norms, strict=False):
            norm.add(vector.abs_())
    gram = np.empty((n, n))
    for (i, j), running in products.items():
        gram[i, j] = gram[j, i] = running.value
    return gram, tuple(norm.value for norm in norms)

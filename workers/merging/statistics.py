"""What is computed once per set of models: dot products, norms, magnitude tables; and finiteness.

The models are read once, tensor by tensor. Threads take whole tensors and every sum has a fixed
order (`reduction`), so the numbers are the same for any number of threads on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workers.merging.reduction import BLOCK, Sum
from workers.merging.tables import Floats, Table, build_table

Progress = Callable[[int, int], None]
"""Called with bytes read so far and bytes in all."""
Read = Callable[[str], list[Tensor]]
"""The tensors of one name, flat: the base's first where there is one, then each model's."""

SORTED = 1 << 22
"""Entries that are sorted at a time for a magnitude table."""


@dataclass(frozen=True)
class TensorFacts:
    """One tensor's numbers over all models.

    With a base, the vectors are the base and the task vectors, else the models themselves.
    """

    size: int
    gram: NDArray[np.float64]
    """Dot products of the vectors."""
    l1: tuple[float, ...]
    """L1 norm of each task vector; empty without a base."""
    tables: tuple[Table, ...]
    """Magnitudes of each task vector; empty without a base."""


def gather(
    names: Sequence[str],
    read: Read,
    *,
    models: Sequence[str],
    has_base: bool,
    threads: int,
    progress: Progress | None = None,
) -> dict[str, TensorFacts]:
    """The facts of every tensor; memory of a few chunks per thread.

    Raises:
        ValueError: if a model has a value that is not finite.
    """
    labels = ["base", *models] if has_base else list(models)
    sizes = {name: sum(t.numel() * t.element_size() for t in read(name)) for name in names}
    total, done = sum(sizes.values()), 0
    facts: dict[str, TensorFacts] = {}
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the threads below are the parallelism
    try:
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda name: _facts(name, read(name), labels, has_base), names)
            for name, each in zip(names, found, strict=True):
                facts[name] = each
                done += sizes[name]
                if progress:
                    progress(done, total)
    finally:
        torch.set_num_threads(before)
    return facts


def magnitudes(base: Tensor, model: Tensor, length: int) -> Iterator[Tensor]:
    """|x − b| in float32, in pieces of `length` entries; as the passes compute it."""
    for start in range(0, len(base), length):
        part = slice(start, start + length)
        yield (model[part].float() - base[part].float()).abs_()


def _facts(name: str, tensors: list[Tensor], labels: list[str], has_base: bool) -> TensorFacts:
    gram, l1 = _sums(tensors, has_base)
    _check_finite(name, labels, gram)
    tables = (
        tuple(
            build_table(chunk.numpy() for chunk in magnitudes(tensors[0], model, SORTED))
            for model in tensors[1:]
        )
        if has_base
        else ()
    )
    return TensorFacts(len(tensors[0]), gram, l1, tables)


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


def _check_finite(name: str, labels: list[str], gram: NDArray[np.float64]) -> None:
    """A NaN or an infinity anywhere shows in the vector's dot product with itself."""
    for label, square in zip(labels, np.diag(gram), strict=True):
        if not math.isfinite(square):
            raise ValueError(
                f"model {label!r}: {name} has values that are not finite (NaN or infinite); "
                "a merge would spread them"
            )


@dataclass(frozen=True)
class RecipeView:
    """A tensor's facts as a recipe's method asks for them (`workers.methods.TensorStatistics`)."""

    facts: TensorFacts
    positions: tuple[int | None, ...]
    """Of the recipe's models among the facts' models; None is the base itself."""
    has_base: bool
    compat: bool
    based: bool
    """Whether the facts have a base."""
    within: Callable[[int, float, float], Floats]
    """All magnitudes in a range of the task vector at a position."""

    @property
    def size(self) -> int:
        """Number of entries of the tensor."""
        return self.facts.size

    @property
    def n_models(self) -> int:
        """Number of models, the base not counted."""
        return len(self.positions)

    def gram(self) -> NDArray[np.float64]:
        """Dot products of the models' tensors."""
        if not self.based:
            return self._pick(self.facts.gram, offset=0)
        full = self.facts.gram
        with_base = np.array([0.0 if p is None else full[0, p + 1] for p in self.positions])
        squares: NDArray[np.float64] = full[0, 0] + with_base[:, None] + with_base[None, :]
        return squares + self.delta_gram()

    def delta_gram(self) -> NDArray[np.float64]:
        """Dot products of the task vectors; the base's own is 0."""
        return self._pick(self.facts.gram, offset=1)

    def l1(self) -> tuple[float, ...]:
        """L1 norm of each task vector."""
        return tuple(0.0 if p is None else self.facts.l1[p] for p in self.positions)

    def largest(self, ranks: Sequence[int]) -> tuple[float, ...]:
        """Magnitude of the ranks[j]-th largest entry of task vector j."""
        pairs = zip(self.positions, ranks, strict=True)
        return tuple(0.0 if p is None else self._largest(p, rank) for p, rank in pairs)

    def magnitude(self, density: Sequence[float]) -> tuple[float, ...]:
        """The least magnitude among the density[j] largest entries of each task vector."""
        ranks = [max(1, int(d * self.size)) for d in density]
        found = self.largest(ranks) if any(d < 1.0 for d in density) else (0.0,) * self.n_models
        return tuple(0.0 if d >= 1.0 else least for d, least in zip(density, found, strict=True))

    def _largest(self, position: int, rank: int) -> float:
        table = self.facts.tables[position]
        return table.largest(rank, lambda low, high: self.within(position, low, high))

    def _pick(self, gram: NDArray[np.float64], offset: int) -> NDArray[np.float64]:
        """The positions' rows and columns; those of the base are 0."""
        here = [i for i, p in enumerate(self.positions) if p is not None]
        there = [p + offset for p in self.positions if p is not None]
        picked = np.zeros((self.n_models, self.n_models))
        picked[np.ix_(here, here)] = gram[np.ix_(there, there)]
        return picked

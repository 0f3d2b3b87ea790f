"""The engine: holds the checkpoints of a run and merges any recipe of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workers.merging import cache
from workers.merging.kernel_call import KernelCall, pack_numbers
from workers.merging.live_tensors import LiveTensors
from workers.merging.model_set import ModelSet
from workers.merging.placement import Placement, choose_placement
from workers.merging.planner import Planner
from workers.merging.runner import Runner
from workers.merging.statistics import LazyStatistics, Progress, Statistics, compute_statistics
from workers.settings import MergeSettings

if TYPE_CHECKING:
    from workers.checkpoint import Checkpoint
    from workers.methods import Pass
    from workers.recipe import Recipe


@dataclass(frozen=True)
class Merged:
    """The cost of a merge into a live model."""

    seconds: float
    bytes: int
    """Read from the models and written to the live one."""


class Engine:
    """Merges recipes of a fixed set of checkpoints, whose statistics are computed once.

    Args:
        models: checkpoints by the names that recipes use.
        base: the checkpoint of which task vectors are differences; a recipe may list it as a model
            with the name `base`.
        settings: mode, threads and placement; they do not change the result.
        device: of the merged tensors.

    Raises:
        ValueError: if the checkpoints do not fit together.
    """

    def __init__(
        self,
        models: Mapping[str, Checkpoint],
        base: Checkpoint | None = None,
        *,
        settings: MergeSettings | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self._model_set = ModelSet(models, base)
        self._live = LiveTensors(self._model_set.shapes())
        self._settings = settings or MergeSettings()
        self._device = torch.empty(0, device=device).device  # with an index, as in `Tensor.device`
        self._runner = Runner(
            self._settings,
            self._device,
            entries=self._model_set.entries,
            n_models=len(self._model_set.checkpoints),
        )
        self._statistics: Callable[[str], Statistics] | None = None
        self._placement: Placement | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every tensor of a merged model, in the order of `stream`."""
        return self._model_set.names

    @property
    def mode(self) -> str:
        """`eager` or `compiled`."""
        return self._runner.mode

    @property
    def placement(self) -> str:
        """Where the models are: `device`, `pinned` or `mapped`."""
        return self._get_placement().name

    def prepare(self, progress: Progress | None = None) -> None:
        """Computes the statistics, or loads them from the cache, and places the models.

        Without a cache, statistics are computed when a method needs them.

        Raises:
            ValueError: if a model has a value that is not finite.
        """
        self._get_statistics(progress)
        self._get_placement()

    def merge(self, recipe: Recipe, tensor: str) -> Tensor:
        """One merged tensor, in the recipe's dtype.

        Raises:
            ValueError: if the recipe's models are not the engine's.
        """
        return next(self._stream(recipe, [tensor]))[1]

    def stream(self, recipe: Recipe) -> Iterator[tuple[str, Tensor]]:
        """Every merged tensor by name, one at a time, in the recipe's dtype.

        Raises:
            ValueError: if the recipe's models are not the engine's.
        """
        return self._stream(recipe, self.names)

    def plans(self, recipe: Recipe, tensors: Iterable[str]) -> dict[str, Pass]:
        """The pass of each of these tensors.

        Raises:
            ValueError: if the recipe's models are not the engine's.
        """
        planner = Planner(self._model_set, self._get_statistics(), recipe)
        return {tensor: planner.plan(tensor) for tensor in tensors}

    def apply(self, recipe: Recipe, model: Any) -> Merged:
        """Merges into a live transformers model, in place.

        Raises:
            ValueError: if the recipe's models are not the engine's, or the live model's tensors
                are not the merged model's.
        """
        began = time.perf_counter()
        targets = self._live.of(model)
        dtype = self.dtype(recipe)
        moved = 0
        with torch.no_grad(), self._runner.session():
            for name, call, tensors, numbers in self._calls(recipe, list(targets)):
                target = targets[name]
                if self._is_writable(target, dtype):
                    self._runner.run(call.layout, tensors, *numbers, target.view(-1))
                else:  # round to the recipe's dtype first, as in a file
                    merged = torch.empty(target.numel(), dtype=dtype, device=self._device)
                    self._runner.run(call.layout, tensors, *numbers, merged)
                    target.copy_(merged.view(target.shape))
                moved += sum(tensor.nbytes for tensor in tensors) + target.nbytes
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return Merged(time.perf_counter() - began, moved)

    def dtype(self, recipe: Recipe) -> torch.dtype:
        """The dtype that merged tensors are rounded to."""
        found: torch.dtype = getattr(torch, recipe.dtype or self._model_set.reference.dtype)
        return found

    def close(self) -> None:
        """Releases host copies that are shared with other processes."""
        if self._placement is not None:
            self._placement.close()
            self._placement = None

    def _stream(self, recipe: Recipe, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
        shapes, dtype = self._model_set.shapes(), self.dtype(recipe)
        for name, call, tensors, numbers in self._calls(recipe, names):
            merged = torch.empty(shapes[name], dtype=dtype, device=self._device)
            with torch.no_grad(), self._runner.session():
                self._runner.run(call.layout, tensors, *numbers, merged.view(-1))
            yield name, merged

    def _calls(
        self, recipe: Recipe, names: Sequence[str]
    ) -> Iterable[tuple[str, KernelCall, list[Tensor], tuple[Tensor, Tensor]]]:
        """Each tensor's kernel call with its flat inputs and its numbers, on the device."""
        planner = Planner(self._model_set, self._get_statistics(), recipe)
        calls = [planner.call(name) for name in names]
        reads = [(planner.models_read(call), name) for call, name in zip(calls, names, strict=True)]
        inputs = self._get_placement().load(reads)
        return zip(names, calls, inputs, pack_numbers(calls, self._device), strict=True)

    def _get_placement(self) -> Placement:
        if self._placement is None:
            self._placement = choose_placement(self._model_set, self._settings, self._device)
        return self._placement

    def _is_writable(self, target: Tensor, dtype: torch.dtype) -> bool:
        """Whether a pass can write into a live tensor directly; it may be on another GPU."""
        return target.device == self._device and target.dtype == dtype and target.is_contiguous()

    def _get_statistics(self, progress: Progress | None = None) -> Callable[[str], Statistics]:
        if self._statistics is None:
            cached = self._settings.statistics == "kept"
            self._statistics = self._cached(progress) if cached else _lazy(self._model_set)
        return self._statistics

    def _cached(self, progress: Progress | None) -> Callable[[str], Statistics]:
        folder = self._settings.cache or cache.default_folder()
        statistics = cache.load_or_compute(
            folder / "statistics" / self._model_set.digest(),
            lambda: compute_statistics(
                self._model_set.names,
                self._model_set.all_flat,
                threads=self._settings.threads or torch.get_num_threads(),
                progress=progress,
            ),
        )
        return statistics.__getitem__


def _lazy(model_set: ModelSet) -> Callable[[str], Statistics]:
    """Not a method: a reference cycle with the engine would keep its mapped files open."""
    return lambda tensor: LazyStatistics(tensor, model_set.all_flat(tensor))

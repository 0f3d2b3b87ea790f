"""The engine: holds the checkpoints of a run and merges any recipe over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workers.merging import cache
from workers.merging.live import live_tensors
from workers.merging.places import Place, place_of
from workers.merging.planner import Planner
from workers.merging.runner import Runner
from workers.merging.sources import Sources
from workers.merging.statistics import AskedFacts, Facts, Progress, gather
from workers.merging.work import Work, packed
from workers.settings import MergeSettings

if TYPE_CHECKING:
    from workers.checkpoint import Checkpoint
    from workers.recipe import Recipe


@dataclass(frozen=True)
class Merged:
    """What a merge into a live model cost."""

    seconds: float
    bytes: int
    """Read from the models and written to the live one."""


class Engine:
    """Merges recipes over a fixed set of checkpoints, with statistics that are computed once.

    Args:
        models: checkpoints by the names that recipes use.
        base: the one task vectors are taken from; a recipe lists it as a model by the name `base`.
        settings: speed and place; they change no byte.
        device: where merged tensors are made.

    Raises:
        ValueError: if the checkpoints do not go together.
    """

    def __init__(
        self,
        models: Mapping[str, Checkpoint],
        base: Checkpoint | None = None,
        *,
        settings: MergeSettings | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self._sources = Sources(models, base)
        self._settings = settings or MergeSettings()
        self._device = torch.empty(0, device=device).device  # with its number, as tensors say it
        self._runner = Runner(
            self._settings,
            self._device,
            entries=self._sources.entries,
            n_models=len(self._sources.checkpoints),
        )
        self._facts: Callable[[str], Facts] | None = None
        self._place: Place | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every tensor of a merged model, in the order of `stream`."""
        return self._sources.names

    @property
    def mode(self) -> str:
        """`eager` or `compiled`."""
        return self._runner.mode

    @property
    def placement(self) -> str:
        """Where the models lie: `device`, `pinned` or `mapped`."""
        return self._placed().name

    def prepare(self, progress: Progress | None = None) -> None:
        """Computes the statistics, or loads them if any worker of this node has before.

        Where they are not kept there is nothing to prepare: they come as methods ask.

        Raises:
            ValueError: if a model has a value that is not finite.
        """
        self._prepared(progress)
        self._placed()

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

    def apply(self, recipe: Recipe, model: Any) -> Merged:
        """Merges into a live transformers model, in place.

        Raises:
            ValueError: if the recipe's models are not the engine's, or the live model's tensors
                are not the merged model's.
        """
        began = time.perf_counter()
        targets = live_tensors(model, self._sources.shapes())
        dtype = self.dtype(recipe)
        moved = 0
        with torch.no_grad(), self._runner.session():
            for name, each, tensors, numbers in self._fed(recipe, list(targets)):
                target = targets[name]
                if self._takes(target, dtype):
                    self._runner.run(each.layout, tensors, *numbers, target.view(-1))
                else:  # rounded to the recipe's dtype first, as a file would be
                    merged = torch.empty(target.numel(), dtype=dtype, device=self._device)
                    self._runner.run(each.layout, tensors, *numbers, merged)
                    target.copy_(merged.view(target.shape))
                moved += sum(tensor.nbytes for tensor in tensors) + target.nbytes
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return Merged(time.perf_counter() - began, moved)

    def dtype(self, recipe: Recipe) -> torch.dtype:
        """The dtype that merged tensors are rounded to."""
        found: torch.dtype = getattr(torch, recipe.dtype or self._sources.reference.dtype)
        return found

    def close(self) -> None:
        """Lets go of host copies that it shares with other processes."""
        if self._place is not None:
            self._place.close()
            self._place = None

    def _stream(self, recipe: Recipe, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
        shapes, dtype = self._sources.shapes(), self.dtype(recipe)
        for name, each, tensors, numbers in self._fed(recipe, names):
            merged = torch.empty(shapes[name], dtype=dtype, device=self._device)
            with torch.no_grad(), self._runner.session():
                self._runner.run(each.layout, tensors, *numbers, merged.view(-1))
            yield name, merged

    def _fed(
        self, recipe: Recipe, names: Sequence[str]
    ) -> Iterable[tuple[str, Work, list[Tensor], tuple[Tensor, Tensor]]]:
        """Each tensor's work with the flat tensors it reads and its numbers, on the device."""
        planner = Planner(self._sources, self._prepared(), recipe)
        works = [planner.work(name) for name in names]
        wanted = [(planner.read_for(each), name) for each, name in zip(works, names, strict=True)]
        fed = self._placed().feed(wanted)
        return zip(names, works, fed, packed(works, self._device), strict=True)

    def _placed(self) -> Place:
        if self._place is None:
            self._place = place_of(self._sources, self._settings, self._device)
        return self._place

    def _takes(self, target: Tensor, dtype: torch.dtype) -> bool:
        """Whether a pass can write into a live tensor; one of a spread model may lie elsewhere."""
        return target.device == self._device and target.dtype == dtype and target.is_contiguous()

    def _prepared(self, progress: Progress | None = None) -> Callable[[str], Facts]:
        if self._facts is None:
            kept = self._settings.statistics == "kept"
            self._facts = self._kept(progress) if kept else _asked(self._sources)
        return self._facts

    def _kept(self, progress: Progress | None) -> Callable[[str], Facts]:
        folder = self._settings.cache or cache.default_folder()
        facts = cache.load_or_gather(
            folder / "statistics" / self._sources.digest(),
            lambda: gather(
                self._sources.names,
                self._sources.all_flat,
                threads=self._settings.threads or torch.get_num_threads(),
                progress=progress,
            ),
        )
        return facts.__getitem__


def _asked(sources: Sources) -> Callable[[str], Facts]:
    """Not of the engine: with it in a cycle, files that it mapped would stay open for a while."""
    return lambda tensor: AskedFacts(tensor, sources.all_flat(tensor))

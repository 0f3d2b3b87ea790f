"""The engine: holds the checkpoints of a run and merges any recipe over them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from workers.merging import cache, masks
from workers.merging.live import live_tensors
from workers.merging.rescale import match_l1
from workers.merging.runner import Runner
from workers.merging.settings import MergeSettings
from workers.merging.sources import BASE, Sources
from workers.merging.statistics import Progress, RecipeView, TensorFacts, gather, magnitudes
from workers.merging.tables import Floats
from workers.merging.work import Work, as_tensors, work
from workers.methods import METHODS, Bound

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
        self._device = torch.device(device)
        self._runner = Runner(
            self._settings,
            self._device,
            entries=self._sources.entries,
            n_models=len(self._sources.checkpoints),
        )
        self._facts: dict[str, TensorFacts] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every tensor of a merged model, in the order of `stream`."""
        return self._sources.names

    @property
    def mode(self) -> str:
        """`eager` or `compiled`."""
        return self._runner.mode

    def prepare(self, progress: Progress | None = None) -> None:
        """Computes the statistics, or loads them if any worker of this node has before.

        Raises:
            ValueError: if a model has a value that is not finite.
        """
        if self._facts is not None:
            return
        sources = self._sources
        prints = {name: each.fingerprint for name, each in sources.checkpoints.items()}
        models = sources.models
        key = cache.digest(prints.get(BASE), [prints[name] for name in models])
        labels = [BASE, *models] if sources.has_base else list(models)
        threads = self._settings.threads or torch.get_num_threads()

        def compute() -> dict[str, TensorFacts]:
            return gather(
                sources.names,
                lambda tensor: [sources.flat(name, tensor) for name in labels],
                models=models,
                has_base=sources.has_base,
                threads=threads,
                progress=progress,
            )

        folder = (self._settings.cache or cache.default_folder()) / "statistics" / key
        self._facts = cache.load_or_gather(folder, compute)

    def merge(self, recipe: Recipe, tensor: str) -> Tensor:
        """One merged tensor, in the recipe's dtype.

        Raises:
            ValueError: if the recipe's models are not the engine's.
        """
        return next(iter(self._stream(recipe, [tensor])))[1]

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
        targets = live_tensors(model, self._shapes())
        dtype = self.dtype(recipe)
        merge, moved = self._merger(recipe), 0
        with torch.no_grad(), self._runner.session():
            for name, target in targets.items():
                if target.dtype == dtype and target.is_contiguous():
                    moved += merge(name, target.view(-1))
                    continue
                merged = torch.empty(target.numel(), dtype=dtype, device=self._device)
                moved += merge(name, merged)
                target.copy_(merged.view(target.shape))
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return Merged(time.perf_counter() - began, moved)

    def dtype(self, recipe: Recipe) -> torch.dtype:
        """The dtype that merged tensors are rounded to."""
        found: torch.dtype = getattr(torch, recipe.dtype or self._sources.reference.dtype)
        return found

    def _stream(self, recipe: Recipe, names: Any) -> Iterator[tuple[str, Tensor]]:
        merge, dtype = self._merger(recipe), self.dtype(recipe)
        shapes = self._shapes()
        for name in names:
            merged = torch.empty(shapes[name], dtype=dtype, device=self._device)
            with torch.no_grad(), self._runner.session():
                merge(name, merged.view(-1))
            yield name, merged

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: info.shape for name, info in self._sources.reference.tensors.items()}

    def _merger(self, recipe: Recipe) -> Any:
        """A function that merges one tensor into a flat one and says how many bytes moved."""
        self.prepare()
        self._check(recipe)
        planner = Planner(self._sources, self._facts or {}, recipe)

        def merge(tensor: str, out: Tensor) -> int:
            origin = self._sources.origin(tensor)
            planned = planner.work(origin)
            read = [BASE] if planned.reads_base else []
            read += [planner.names[j] for j in planned.members]
            tensors = [self._sources.flat(name, origin).to(self._device) for name in read]
            numbers, words = as_tensors(planned, self._device)
            self._runner.run(planned.layout, tensors, numbers, words, out)
            return sum(t.nbytes for t in tensors) + out.nbytes

        return merge

    def _check(self, recipe: Recipe) -> None:
        known = self._sources.checkpoints
        wanted = dict(recipe.models) | ({BASE: recipe.base} if recipe.base else {})
        for name, source in wanted.items():
            if name not in known:
                raise ValueError(f"the recipe's model {name!r} is not among {', '.join(known)}")
            if source.fingerprint and source.fingerprint != known[name].fingerprint:
                raise ValueError(
                    f"model {name!r}: the recipe was made for content {source.fingerprint}, "
                    f"but {known[name].path} is {known[name].fingerprint}"
                )


class Planner:
    """A recipe's plan for each tensor."""

    def __init__(self, sources: Sources, facts: Mapping[str, TensorFacts], recipe: Recipe) -> None:
        self.names = tuple(recipe.models)
        self._sources = sources
        self._facts = facts
        self._recipe = recipe
        self._method = METHODS[recipe.method]
        self._positions = tuple(
            None if name == BASE and sources.has_base else sources.models.index(name)
            for name in self.names
        )
        self._bound: dict[int, Bound] = {}

    def work(self, tensor: str) -> Work:
        """The pass of one tensor."""
        recipe = self._recipe
        keys = [masks.key(recipe.seed, name, tensor) for name in self.names]
        plan = self._method.plan(self._view(tensor), self._parameters(tensor))
        return work(match_l1(plan, keys, lambda j: self._delta(j, tensor)), keys)

    def _parameters(self, tensor: str) -> Bound:
        given = self._recipe.parameters(tensor, self._sources.reference.n_layers)
        if id(given) not in self._bound:  # a group's parameters, which the recipe keeps alive
            self._bound[id(given)] = self._method.bind(given, self.names)
        return self._bound[id(given)]

    def _view(self, tensor: str) -> RecipeView:
        def within(position: int, low: float, high: float) -> Floats:
            pair = (BASE, self._sources.models[position])
            base, model = (self._sources.flat(name, tensor) for name in pair)
            found = [m[(m >= low) & (m < high)] for m in magnitudes(base, model, 1 << 20)]
            return np.concatenate([each.numpy() for each in found])

        return RecipeView(
            self._facts[tensor],
            self._positions,
            has_base=self._recipe.base is not None,
            compat=self._recipe.compat == "mergekit",
            based=self._sources.has_base,
            within=within,
        )

    def _delta(self, j: int, tensor: str) -> tuple[Tensor, Tensor]:
        """Base and model j's tensor, flat."""
        return self._sources.flat(BASE, tensor), self._sources.flat(self.names[j], tensor)

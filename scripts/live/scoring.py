"""Scores recipes of a live family by the real worker; each recipe once, on disk for good."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np

from evaluators.documents import DocumentSettings
from evaluators.tasks import SuiteSettings
from scripts.live.family import Family
from scripts.live.making import BASE, made
from scripts.live.score_file import Score, ScoreFile
from search.driver import Baselines, baselines
from search.objectives import Losses, losses
from search.space import Space, SpaceSettings
from workers.candidate import Candidate
from workers.checkpoint import open_checkpoint
from workers.recipe import Recipe, Source
from workers.worker import Setup, Worker


class LiveFamily:
    """A family whose models exist: its space, its baselines, and the score of any recipe.

    Args:
        cache: the folder of all families.
    """

    def __init__(self, family: Family, cache: Path) -> None:
        self.family = family
        self._folder = made(family, cache)
        self._sources = {name: self._source(name) for name in (BASE, *family.models)}
        models = {name: self._sources[name] for name in family.models}
        settings = SpaceSettings.model_validate(dict(family.space))
        self.space = Space(family.methods, models, self._sources[BASE], family.layers, settings)
        self.objectives = family.objectives
        self.scores = ScoreFile(self._folder / "scores.jsonl")

    def baselines(self) -> Baselines:
        """What every search begins with."""
        return baselines(self.space)

    def score(self, recipe: Recipe) -> Score:
        """The score of a recipe, evaluated unless it is known.

        Raises:
            RuntimeError: if the evaluation fails for another reason than the gate's.
        """
        if (known := self.scores.get(recipe.digest)) is not None:
            return known
        outcome = self._worker.evaluate(Candidate(0, recipe))
        seconds = sum(outcome.seconds.values())
        if outcome.state == "scored":
            values = {each.name: each.value(outcome.values) for each in self.objectives}
            found = Score("scored", values, seconds=seconds)
        elif outcome.state == "broken":
            found = Score("broken", cause=outcome.cause, seconds=seconds)
        else:
            raise RuntimeError(outcome.cause)
        self.scores.add(recipe.digest, found)
        return found

    @cached_property
    def anchors(self) -> Losses:
        """The losses of base and models, one row each."""
        known = {each.label: each.recipe for each in self.baselines().known}
        rows = [self.score(known[name]).scores for name in (BASE, *self.family.models)]
        return np.array([losses(self.objectives, row) for row in rows])

    @property
    def parameters(self) -> int:
        """Numbers in the base, each tensor of its file once."""
        shapes = [info.shape for info in open_checkpoint(self._sources[BASE]).tensors.values()]
        return sum(math.prod(shape) for shape in shapes)

    @cached_property
    def _worker(self) -> Worker:
        tasks = tuple(task.skill for task in self.family.tasks)
        suite = SuiteSettings(
            tasks=tasks,
            folder=self._folder / "tasks",
            documents=DocumentSettings.model_validate("all"),
        )
        return Worker(Setup(self._sources[BASE], self.space.models, suite))

    def _source(self, name: str) -> Source:
        where = Source(str(self._folder / "models" / name))
        return Source(where.path, fingerprint=open_checkpoint(where).fingerprint)

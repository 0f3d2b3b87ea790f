"""The sampler itself: one child per ask, of the best of all finished trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import qmc

from search.samplers.chance import state
from search.samplers.evolution.encoding import Encoding
from search.samplers.evolution.memory import Memory, best
from search.samplers.evolution.operators import Breeder
from search.samplers.evolution.surrogate import Surrogate
from search.samplers.whole import WholeSpaceSampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from search.front import Losses
    from search.samplers.evolution.encoding import Rows

LEARNT = 128  # trials that the surrogate is fitted to
OPTIMISM = 1.0  # standard deviations that a prediction is taken to be better by
BLEND = 0.05  # of the weighted sum in the Tchebycheff scalarisation (Knowles 2006)


class EvolutionSampler(WholeSpaceSampler):
    """Steady-state multi-objective evolution: no generations, every finished trial counts at once.

    Parents are the best of all finished trials by rank and crowding (Deb 2002), broken ones last.
    Of many children by crossover and mutation, the one goes to a worker that a small Gaussian
    process likes best under weights of the objectives drawn anew for every ask (Knowles 2006).
    Nothing but the finished and the running trials, the seed and the trial's number decide.

    Args:
        distributions: the space.
        seed: of the run.
        startup: points of a Sobol sequence before the first child, counted in scored trials.
        parents: how many trials may become parents.
        children: how many are made for each that is tried; 1 leaves the Gaussian process out.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        seed: int,
        *,
        startup: int = 16,
        parents: int = 20,
        children: int = 128,
    ) -> None:
        super().__init__(distributions)
        self._encoding = Encoding(distributions)
        self._memory = Memory(self._encoding)
        self._seed = seed
        self._startup = startup
        self._parents = parents
        self._children = children

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point."""
        if not search_space:
            return {}
        memory = self._memory
        memory.take_in(study, trial.number)
        if memory.is_feasible.sum() < self._startup:
            return self._encoding.params(self._spread(trial.number))
        rng = np.random.default_rng(state(self._seed, trial.number))
        parents = best(memory.losses, memory.is_feasible, self._parents)
        children = Breeder(self._encoding, rng).children(memory.points[parents], self._children)
        if len(children) > 1:
            children = children[[self._favourite(children, rng)]]
        return self._encoding.params(children[0])

    def _spread(self, number: int) -> Rows:
        """A point of a Sobol sequence, by its position."""
        sequence = qmc.Sobol(len(self._encoding), rng=np.random.default_rng(self._seed))
        if number:
            sequence.fast_forward(number)
        row = sequence.random(1)[0]
        return np.asarray(
            np.where(self._encoding.is_choice, np.floor(row * self._encoding.n_choices), row)
        )

    def _favourite(self, children: Rows, rng: np.random.Generator) -> int:
        """Index of the child that the surrogate likes best under random weights."""
        memory = self._memory
        learnt = best(memory.losses, memory.is_feasible, LEARNT)
        points = self._encoding.features(memory.points[learnt])
        losses = memory.losses[learnt]
        running = self._encoding.features(memory.running)
        features = self._encoding.features(children)
        surrogate = Surrogate(points, losses)
        if len(running):  # taken as scored as expected, so that nobody tries the same beside them
            expected, _ = surrogate.predict(running)
            surrogate = Surrogate(
                np.concatenate([points, running]), np.concatenate([losses, expected])
            )
        expected, deviation = surrogate.predict(features)
        weights = rng.dirichlet(np.ones(losses.shape[1]))
        return int(np.argmin(_scalar(expected - OPTIMISM * deviation, losses, weights)))


def _scalar(losses: Losses, known: Losses, weights: Rows) -> Rows:
    """Augmented Tchebycheff: one loss of many, on the scale of the known ones."""
    span = np.ptp(known, axis=0)
    scaled = weights * (losses - known.min(0)) / np.where(span > 0, span, 1.0)
    return np.asarray(scaled.max(1) + BLEND * scaled.sum(1))

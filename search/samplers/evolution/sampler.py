"""The sampler itself: one child per ask, of the best of all finished trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from search.objectives import front, reference_point
from search.samplers.evolution.encoding import Encoding
from search.samplers.evolution.memory import Memory, best
from search.samplers.evolution.operators import Breeder
from search.samplers.evolution.surrogate import Surrogate
from search.samplers.seeds import state
from search.samplers.whole import WholeSpaceSampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from search.objectives import Losses
    from search.samplers.evolution.encoding import Rows

LEARNT = 128  # trials that the surrogate is fitted to
OPTIMISM = 0.5  # standard deviations that a prediction is taken to be better by
NUMBERS = 2**15  # parameters of all children of one ask: what bounds its time
SAMPLES = 1000  # random points by which hypervolumes are compared
BLEND = 0.05  # of the weighted sum in the Tchebycheff scalarisation (Knowles 2006)


class EvolutionSampler(WholeSpaceSampler):
    """Steady-state multi-objective evolution: no generations, every finished trial counts at once.

    Parents are the best of all finished trials by rank and crowding (Deb 2002), broken ones last.
    Of many children by crossover and mutation, the one goes to a worker that adds most to the
    hypervolume as a small Gaussian process expects, half a standard deviation of hope included; if
    none adds any, the best under random weights of the objectives (Knowles 2006).
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
        startup: int = 24,
        parents: int = 20,
        children: int = 512,
    ) -> None:
        super().__init__(distributions)
        self._encoding = Encoding(distributions)
        self._memory = Memory(self._encoding)
        self._seed = seed
        self._startup = startup
        self._parents = parents
        self._children = min(children, max(1, NUMBERS // max(1, len(self._encoding))))

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
        kept = best(memory.losses, memory.is_feasible, max(LEARNT, self._parents))
        parents = memory.points[kept[: self._parents]]
        children = Breeder(self._encoding, rng).children(parents, self._children)
        if len(children) > 1:
            children = children[[self._favourite(children, kept, rng)]]
        return self._encoding.params(children[0])

    def _spread(self, number: int) -> Rows:
        """A point of a Sobol sequence, by its position.

        What differs by depth or module class only begins alike: a few points cannot fill a hundred
        dimensions, and most of what they would show is how bad ragged merges are.
        """
        families = self._encoding.families
        sequence = qmc.Sobol(families.max() + 1, rng=np.random.default_rng(self._seed))
        if number:
            sequence.fast_forward(number)
        row = sequence.random(1)[0][families]
        return np.asarray(
            np.where(self._encoding.is_choice, np.floor(row * self._encoding.n_choices), row)
        )

    def _favourite(self, children: Rows, learnt: NDArray[np.intp], rng: np.random.Generator) -> int:
        """Index of the child that adds most to the hypervolume, as far as the surrogate knows."""
        memory = self._memory
        losses, feasible = memory.losses[learnt], memory.is_feasible[learnt]
        known = losses[feasible][front(losses[feasible])]
        corner = reference_point(losses[feasible])
        features = self._encoding.features
        # what lies behind the corner is worth nothing, and how far behind would drown the rest
        surrogate = Surrogate(features(memory.points[learnt]), np.minimum(losses, corner))
        if len(memory.running):  # taken as scored as expected: nobody tries the same beside them
            surrogate = surrogate.believing(features(memory.running))
        expected, deviation = surrogate.predict(features(children))
        hoped = expected - OPTIMISM * deviation
        gains = _gains(hoped, known, corner, rng)
        if gains.any():
            return int(np.argmax(gains))
        weights = rng.dirichlet(np.ones(losses.shape[1]))
        return int(np.argmin(_scalar(hoped, known.min(0), corner, weights)))


def _gains(losses: Losses, known: Losses, corner: Rows, rng: np.random.Generator) -> Rows:
    """What each row would add to the hypervolume of a front, as a share of random points."""
    ideal = np.minimum(known.min(0), losses.min(0))
    points = rng.uniform(ideal, corner, (SAMPLES, known.shape[1]))
    free = points[~_as_good(known, points).any(0)]
    return _as_good(losses, free).mean(1) if len(free) else np.zeros(len(losses))


def _as_good(losses: Losses, points: Losses) -> NDArray[np.bool_]:
    """[i, j]: whether row i is as good as point j in every objective."""
    columns = zip(losses.T, points.T, strict=True)
    found = [mine[:, None] <= other for mine, other in columns]
    return np.asarray(np.logical_and.reduce(found), dtype=np.bool_)


def _scalar(losses: Losses, ideal: Rows, corner: Rows, weights: Rows) -> Rows:
    """Augmented Tchebycheff: one loss of many, on the scale on which the corner is 1."""
    scaled = weights * (losses - ideal) / (corner - ideal)
    return np.asarray(scaled.max(1) + BLEND * scaled.sum(1))

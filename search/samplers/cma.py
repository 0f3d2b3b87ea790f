"""CMA-ES for one objective, with choices relaxed to numbers (Hansen 2016).

Optuna's own keeps a pickled optimiser in the study, which would be read back from the run folder;
this one writes down which trials each generation learnt from and goes through them again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import TrialState

from search.samplers.encoding import Encoding
from search.samplers.joint_sampler import JointSampler
from search.samplers.trial_seed import trial_seed

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

GENERATION, POINT, LEARNT = "cma:generation", "cma:point", "cma:learnt"
SIGMA = 1 / 6  # the first step, in widths of the range


class CmaSampler(JointSampler):
    """CMA-ES whose asks beyond the size of a generation belong to that generation too.

    A choice of k is k numbers, of which the greatest decides.

    Args:
        distributions: the space.
        seed: of the run.
        population: of a generation; None is 4 + 3 ln(n).
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], seed: int, population: int | None
    ) -> None:
        super().__init__(distributions)
        self._encoding = Encoding(distributions)
        self._sizes = np.maximum(self._encoding.n_choices, 1)
        self._seed = seed
        self._population = population
        self._cma: CMA | None = None
        self._points: dict[int, tuple[int, list[float]]] = {}  # generation and point, by number
        self.note: dict[str, Any] = {}
        """What belongs to the trial that was asked for last."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point."""
        self.note = {}
        if not search_space:
            return {}
        if self._cma is None:
            self._cma = self._new_optimiser()
        trials = study.get_trials(deepcopy=False)
        finished = [n for n in sorted(self._points) if trials[n].state is TrialState.COMPLETE]
        found = [n for n in finished if self._points[n][0] == self._cma.generation]
        if len(found) >= self._cma.population_size:
            self._learn(study, found[: self._cma.population_size])
            self.note[LEARNT] = found[: self._cma.population_size]
        self._cma.reseed_rng(trial_seed(self._seed, trial.number) % 2**32)
        point: NDArray[np.float64] = self._cma.ask()
        self.note |= {GENERATION: self._cma.generation, POINT: point.tolist()}
        self._points[trial.number] = self._cma.generation, self.note[POINT]
        return self._encoding.params(self._row(point))

    def restore(self, study: Study, number: int, note: Mapping[str, Any]) -> None:
        """Restores the state from a trial's notes; earlier trials must be restored before it."""
        if self._cma is None:
            self._cma = self._new_optimiser()
        if LEARNT in note:
            self._learn(study, note[LEARNT])
        if POINT in note:
            self._points[number] = note[GENERATION], note[POINT]

    def _new_optimiser(self) -> CMA:
        size = int(self._sizes.sum())
        return CMA(
            mean=np.full(size, 0.5),
            sigma=SIGMA,
            bounds=np.tile([0.0, 1.0], (size, 1)),
            n_max_resampling=10 * size,
            seed=self._seed % 2**32,
            population_size=self._population,
        )

    def _learn(self, study: Study, numbers: list[int]) -> None:
        sign = 1.0 if study.direction is StudyDirection.MINIMIZE else -1.0
        trials = study.get_trials(deepcopy=False)
        assert self._cma is not None
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", RuntimeWarning
            )  # of equal values, which a flat score has
            self._cma.tell(
                [
                    (np.array(self._points[number][1]), sign * float(trials[number].values[0]))
                    for number in numbers
                ]
            )

    def _row(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = np.split(point, np.cumsum(self._sizes)[:-1])
        return np.array([part[0] if len(part) == 1 else part.argmax() for part in parts])

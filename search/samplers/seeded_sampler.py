"""Optuna's samplers, seeded by (seed, trial number)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search.samplers.trial_seed import trial_seed


class SeededSampler(BaseSampler):
    """Makes a fresh sampler for every trial, seeded by the run's seed and the trial's number.

    Optuna's own samplers have one random generator for a whole study; after a restart it would
    draw the same numbers a second time.
    """

    def __init__(self, build: Callable[[int], BaseSampler], seed: int) -> None:
        """Takes a function from a seed to a sampler, and the seed of the run."""
        self._build = build
        self._seed = seed
        self._current: tuple[int, BaseSampler] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Delegates to the trial's sampler."""
        return self._for(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Delegates to the trial's sampler."""
        return self._for(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Delegates to the trial's sampler."""
        inner = self._for(trial)
        return inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Delegates to the trial's sampler."""
        self._for(trial).before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Delegates to the trial's sampler."""
        self._for(trial).after_trial(study, trial, state, values)

    def _for(self, trial: FrozenTrial) -> BaseSampler:
        if self._current is None or self._current[0] != trial.number:
            seed = trial_seed(self._seed, trial.number) % 2**32
            self._current = trial.number, self._build(seed)
        return self._current[1]

"""Optuna's Gaussian process sampler, with very bad losses clipped."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import GPSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from threadpoolctl import threadpool_limits

from search.objectives import reference_point
from search.samplers.joint_sampler import JointSampler
from search.samplers.trial_seed import trial_seed

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class GpSampler(JointSampler):
    """Expected hypervolume improvement, measured from just behind the worst of the front.

    A broken merge may score ten times worse than the worst model. Optuna measures hypervolume from
    the worst value there is, and beside that nothing on the front would count; so losses are
    clipped behind the front, in a study that is made for each ask.

    Args:
        distributions: the space.
        seed: of the run.
        startup: scored trials before the process; until then points are random.
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], seed: int, startup: int
    ) -> None:
        super().__init__(distributions)
        self._seed = seed
        self._startup = startup

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = GPSampler(
                seed=trial_seed(self._seed, trial.number) % 2**32,
                n_startup_trials=self._startup,
                deterministic_objective=True,
            )
        clipped = optuna.create_study(directions=study.directions, sampler=sampler)
        clipped.add_trials(self._clipped_trials(study, trial.number))
        with threadpool_limits(1):  # torch's too, which the study does not know of
            return clipped.ask(search_space).params

    def _clipped_trials(self, study: Study, number: int) -> list[FrozenTrial]:
        """Copies of finished and running trials, with losses clipped at the reference point."""
        trials = study.get_trials(deepcopy=False)[:number]
        finished = [each for each in trials if each.state is TrialState.COMPLETE]
        signs = np.array([1 if d is StudyDirection.MINIMIZE else -1 for d in study.directions])
        losses = np.array([each.values for each in finished]).reshape(-1, len(signs)) * signs
        whole = [all(v <= 0 for v in each.constraints.values()) for each in finished]
        if any(whole):
            losses = np.minimum(losses, reference_point(losses[whole]))
        copies = [
            create_trial(
                params=each.params,
                distributions=self._distributions,
                values=(row * signs).tolist(),
                constraints=each.constraints or None,
            )
            for each, row in zip(finished, losses, strict=True)
        ]
        running = [
            create_trial(
                state=TrialState.RUNNING, params=each.params, distributions=self._distributions
            )
            for each in trials
            if each.state is TrialState.RUNNING
        ]
        return copies + running

"""The working memory of a sampler: an Optuna study in memory, rebuilt from the ledger on resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.trial import TrialState, create_trial

from search.samplers.seeded import SeededSampler

if TYPE_CHECKING:
    from search.objectives import Direction
    from search.samplers.settings import SamplerSettings
    from search.space import Axis

Params = dict[str, Any]


class Study:
    """Asks a sampler and tells it what came of each trial; trials are numbered as in the ledger.

    Args:
        sampler: which one, and how.
        axes: the space.
        directions: of the objectives, in order, "maximize" or "minimize".
        seed: of the run.
    """

    def __init__(
        self,
        sampler: SamplerSettings,
        axes: Mapping[str, Axis],
        directions: Sequence[Direction],
        seed: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions = {name: _distribution(axis) for name, axis in axes.items()}
        self._study = optuna.create_study(
            directions=list(directions), sampler=SeededSampler(sampler.build, seed)
        )

    def ask(self) -> tuple[int, Params, dict[str, Any]]:
        """The next trial's number and point, and what the sampler wants kept beside it."""
        trial = self._study.ask(self._distributions)
        frozen = self._study.trials[trial.number]
        return trial.number, dict(trial.params), dict(frozen.system_attrs)

    def add(self, params: Params | None, notes: Mapping[str, Any] | None = None) -> int:
        """Enters a trial that was not asked for, or asked for before a restart; its number.

        Args:
            params: the point, or None for a recipe that no point of the space gives.
            notes: what `ask` returned beside the point.
        """
        if params is None:
            trial = create_trial(state=TrialState.FAIL)
        else:
            trial = create_trial(
                state=TrialState.RUNNING,
                params=params,
                distributions=self._distributions,
                system_attrs=dict(notes or {}),
            )
        self._study.add_trial(trial)
        return len(self._study.get_trials(deepcopy=False)) - 1

    def tell(self, number: int, values: Sequence[float] | None) -> None:
        """Says what came of a trial: objective values, or None if it has no score."""
        state = TrialState.FAIL if values is None else TrialState.COMPLETE
        # a recipe outside the space was entered as finished: there is nothing to learn from it
        self._study.tell(number, values, state=state, skip_if_finished=True)


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.choices:
        return CategoricalDistribution(axis.choices)
    return FloatDistribution(axis.low, axis.high, log=axis.log)

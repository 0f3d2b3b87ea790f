"""An Optuna study in memory: what a sampler learns from, rebuilt from the ledger on resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from search.samplers.problem import ERRORS, INPUT, Features, Problem

if TYPE_CHECKING:
    from search.objectives import Direction
    from search.samplers.settings import SamplerSettings
    from search.space import Axis

Params = dict[str, Any]
Notes = dict[str, Any]

GATE = "gate"  # the constraint that a broken model violates
STUDY_NOTES = "study"  # the note of what a sampler keeps for the whole study


@runtime_checkable
class SamplerWithNotes(Protocol):
    """A sampler that continues from its own notes."""

    note: dict[str, Any]

    def restore(self, study: optuna.Study, number: int, note: Mapping[str, Any]) -> None: ...


class Study:
    """Asks a sampler for points and tells it their scores; trials are numbered as in the ledger.

    The answer of an ask depends only on the trials added, asked and told before it, in their order,
    on the seed and on the number: a study that repeats the same events gives the same answers.

    Args:
        sampler: which one, and how.
        axes: the space.
        directions: of the objectives, in order, "maximize" or "minimize".
        seed: of the run.
        features: by which points compare better than by their axes.
        weights: of the objectives, to search for the best weighted mean instead of a front.
    """

    def __init__(
        self,
        sampler: SamplerSettings,
        axes: Mapping[str, Axis],
        directions: Sequence[Direction],
        seed: int,
        features: Features | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # its warnings are about risks we accept
        self._distributions = {name: distribution_of(axis) for name, axis in axes.items()}
        self._sampler = sampler.make(Problem(self._distributions, seed, features, weights))
        self._storage = InMemoryStorage()
        self._study = optuna.create_study(
            directions=list(directions), sampler=self._sampler, storage=self._storage
        )
        self._id = self._storage.get_study_id_from_name(self._study.study_name)
        self._threads = ThreadpoolController()
        self._worst: list[float] | None = None
        self._is_constrained = False

    @property
    def can_ask(self) -> bool:
        """Whether there is anything to search."""
        return bool(self._distributions)

    def ask(self) -> tuple[int, Params, Notes]:
        """The next trial's number and point, and what the sampler wants kept beside it."""
        before = set(self._storage.get_study_system_attrs(self._id))
        number = self._study.ask().number
        # with matrices so small, threads cost time, and the last bits depend on their number
        with self._threads.limit(limits=1):
            params = self._sample(self._trials[number])
        trial = self._trials[number]  # another object than before: a sampler's notes replace it
        trial.params, trial.distributions = params, self._distributions
        notes = {k: v for k, v in trial.system_attrs.items() if _REPEATED not in k}
        of_study = self._storage.get_study_system_attrs(self._id)
        if new := {name: of_study[name] for name in of_study if name not in before}:
            notes[STUDY_NOTES] = new
        if isinstance(self._sampler, SamplerWithNotes):
            notes |= self._sampler.note
        return number, trial.params, notes

    def add(
        self,
        params: Params | None,
        notes: Mapping[str, Any] | None = None,
        *,
        is_input: bool = False,
    ) -> int:
        """Adds a trial that was not asked for, or was asked for before a restart; its number.

        Args:
            params: the point, or None for a recipe that no point of the space gives.
            notes: what `ask` returned beside the point.
            is_input: whether it is the base or a model, which set the scale of the objectives.
        """
        notes = notes or {}
        for name, value in notes.get(STUDY_NOTES, {}).items():
            self._storage.set_study_system_attr(self._id, name, value)
        self._storage.create_new_trial(self._id)
        number = len(self._trials) - 1
        trial = self._trials[number]
        if is_input:
            trial.user_attrs[INPUT] = None  # its values follow
        if params is None:
            self._end(trial, TrialState.FAIL)
            return number
        trial.params, trial.distributions = params, self._distributions
        trial.system_attrs.update((k, v) for k, v in notes.items() if k != STUDY_NOTES)
        if isinstance(self._sampler, SamplerWithNotes):
            self._sampler.restore(self._study, number, notes)
        return number

    def tell(
        self,
        number: int,
        values: Sequence[float] | None,
        *,
        errors: Sequence[float] | None = None,
        broken: bool = False,
    ) -> None:
        """Adds the result of a trial.

        Args:
            number: of the trial.
            values: of the objectives, or None if it has no score.
            errors: standard errors of the values, if these are estimates.
            broken: the model violates a constraint, and has the worst values known.
        """
        trial = self._trials[number]
        if INPUT in trial.user_attrs and values is not None:
            trial.user_attrs[INPUT] = list(values)
        if trial.state.is_finished():
            return  # a recipe outside the space was added so: no sampler can learn from it
        values = self._worst if broken else values
        if values is None:
            self._end(trial, TrialState.FAIL)
            return
        if broken and not self._is_constrained:
            self._constrain()
        if self._is_constrained:
            trial.set_constraint(GATE, float(broken))
        if errors is not None:
            trial.user_attrs[ERRORS] = list(errors)
        self._end(trial, TrialState.COMPLETE, list(values))
        self._worst = list(map(self._worse, self._study.directions, self._worst or values, values))

    def _sample(self, trial: FrozenTrial) -> Params:
        """The point of a new trial, parameter by parameter where the sampler goes that way.

        `Study.ask` does the same through the storage, at the price of copying the trial every time.
        """
        relative = self._sampler.infer_relative_search_space(self._study, trial)
        found = self._sampler.sample_relative(self._study, trial, relative)
        return {
            name: found[name]
            if name in found
            else self._sampler.sample_independent(self._study, trial, name, distribution)
            for name, distribution in self._distributions.items()
        }

    def _end(
        self, trial: FrozenTrial, state: TrialState, values: list[float] | None = None
    ) -> None:
        """As `Study.tell` does, which copies the trial besides, parameter by parameter."""
        self._sampler.after_trial(self._study, trial, state, values)
        kept = self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number)
        self._storage.set_trial_state_values(kept, state, values)

    @property
    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _constrain(self) -> None:
        """Marks every scored trial as feasible: Optuna requires the constraint of all trials."""
        self._is_constrained = True
        for trial in self._trials:
            if trial.state is TrialState.COMPLETE:
                trial.set_constraint(GATE, 0.0)

    @staticmethod
    def _worse(direction: StudyDirection, one: float, other: float) -> float:
        return max(one, other) if direction is StudyDirection.MINIMIZE else min(one, other)


_REPEATED = ":relative_params:"  # the point once more, as text


def distribution_of(axis: Axis) -> BaseDistribution:
    """The axis as Optuna has it."""
    if axis.choices:
        return CategoricalDistribution(axis.choices)
    return FloatDistribution(axis.low, axis.high, log=axis.log)

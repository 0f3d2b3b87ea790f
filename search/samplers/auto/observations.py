"""The trials of a study as arrays, to which each ask adds only what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import TrialState

from search.objectives import Losses, crowding, ranks
from search.samplers.problem import ERRORS, INPUT

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from search.samplers.encoding import Encoding, Rows


class Observations:
    """The finished trials of a study with a point in the space, in the order of their numbers."""

    def __init__(self, encoding: Encoding) -> None:
        self.inputs: Losses = np.empty((0, 0))
        """Losses of the base and the models, as far as they are scored."""
        self._encoding = encoding
        self._running: dict[int, Rows] = {}  # by number
        self._inputs: list[int] = []  # numbers of the trials of base and models
        self._seen = 0  # trials with a smaller number are finished or running
        self._n = 0
        self._points: Rows = np.empty((0, len(encoding)))
        self._losses: Losses = np.empty((0, 0))
        self._errors: Losses = np.empty((0, 0))
        self._numbers: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._is_feasible: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)

    @property
    def points(self) -> Rows:
        """Shape (n_trials, n_axes)."""
        return self._points[: self._n]

    @property
    def losses(self) -> Losses:
        """Shape (n_trials, n_objectives); of broken trials the worst known by then."""
        return self._losses[: self._n]

    @property
    def errors(self) -> Losses:
        """Standard errors of losses that are estimates, and 0 of the others, in the same shape."""
        return self._errors[: self._n]

    @property
    def is_feasible(self) -> NDArray[np.bool_]:
        """Whether each trial's model passed the gate."""
        return self._is_feasible[: self._n]

    @property
    def running(self) -> Rows:
        """Points proposed and not finished."""
        return np.array(list(self._running.values())).reshape(-1, len(self._encoding))

    def update(self, study: Study, asking: int) -> None:
        """Adds what has happened since the last call; trial `asking` has no point yet."""
        trials = study.get_trials(deepcopy=False)
        new = range(self._seen, min(asking, len(trials)))
        self._inputs += [number for number in new if INPUT in trials[number].user_attrs]
        for number in [*self._running, *new]:
            self._add(trials[number], study.directions)
        self._seen = max(self._seen, min(asking, len(trials)))
        rows = [values for n in self._inputs if (values := trials[n].user_attrs[INPUT])]
        self.inputs = np.array(rows).reshape(-1, len(study.directions)) * _signs(study.directions)

    def _add(self, trial: FrozenTrial, directions: list[StudyDirection]) -> None:
        number = trial.number
        if trial.state is TrialState.RUNNING:
            if number not in self._running:
                self._running[number] = self._encoding.row(trial.params)
            return
        point = self._running.pop(number, None)
        if trial.state is TrialState.COMPLETE:
            point = self._encoding.row(trial.params) if point is None else point
            broken = any(violation > 0 for violation in trial.constraints.values())
            losses = np.array(trial.values) * _signs(directions)
            errors = np.array(trial.user_attrs.get(ERRORS, np.zeros(len(losses))))
            self._append(number, point, losses, errors, not broken)

    def _append(
        self, number: int, point: Rows, losses: Losses, errors: Losses, is_feasible: bool
    ) -> None:
        if self._n == len(self._points):
            self._grow(len(losses))
        # by number: a proposal must not depend on the order in which trials were seen
        at = int(np.searchsorted(self._numbers[: self._n], number))
        for array, value in (
            (self._points, point),
            (self._losses, losses),
            (self._errors, errors),
            (self._numbers, number),
            (self._is_feasible, is_feasible),
        ):
            array[at + 1 : self._n + 1] = array[at : self._n]
            array[at] = value
        self._n += 1

    def _grow(self, n_objectives: int) -> None:
        capacity = max(64, self._n)
        self._points = _enlarged(self.points, capacity, len(self._encoding))
        self._losses = _enlarged(self._losses[: self._n], capacity, n_objectives)
        self._errors = _enlarged(self._errors[: self._n], capacity, n_objectives)
        self._numbers = np.append(self._numbers, np.zeros(capacity, dtype=np.intp))
        self._is_feasible = np.append(self._is_feasible, np.zeros(capacity, dtype=np.bool_))


def best(losses: Losses, is_feasible: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """Indices of the best rows, best first: feasible ones by rank, then by crowding (Deb 2002).

    Broken rows come after all others, the newest first: they have no scores to tell them apart.
    """
    found = np.flatnonzero(is_feasible)
    if len(found):
        rank = ranks(losses[found], enough=count)
        distance = np.zeros(len(found))
        for level in range(rank.max() + 1):
            same = rank == level
            distance[same] = crowding(losses[found[same]])
            if same.sum() + (rank < level).sum() >= count:
                break
        found = found[np.lexsort((-distance, rank))]
    return np.append(found, np.flatnonzero(~is_feasible)[::-1])[:count]


def _signs(directions: list[StudyDirection]) -> NDArray[np.float64]:
    return np.array([1.0 if each is StudyDirection.MINIMIZE else -1.0 for each in directions])


def _enlarged(array: NDArray[np.float64], capacity: int, columns: int) -> NDArray[np.float64]:
    return np.concatenate([array.reshape(-1, columns), np.zeros((capacity, columns))])

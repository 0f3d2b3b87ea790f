"""A copy of a run for Optuna's own tools, such as optuna-dashboard; the run's files decide."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from search.objectives import Direction
from search.samplers.study import distribution_of
from search.space import Axis

MirroredTrial = tuple[int, str, Mapping[str, Any] | None, Sequence[float] | None, Mapping[str, Any]]
"""Number, state, point, values in the order of the objectives, and what is shown beside them."""


class Mirror:
    """An Optuna study in a journal file that is made anew.

    Args:
        file: of the journal; an existing one is replaced.
        name: of the study.
        axes: of the space.
        directions: objective -> `maximize` or `minimize`, in order.
    """

    def __init__(
        self, file: Path, name: str, axes: Mapping[str, Axis], directions: Mapping[str, Direction]
    ) -> None:
        file.unlink(missing_ok=True)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.storage = JournalStorage(JournalFileBackend(str(file)))
        self._distributions = {axis: distribution_of(each) for axis, each in axes.items()}
        self._study = optuna.create_study(
            storage=self.storage, study_name=name, directions=list(directions.values())
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._study.set_metric_names(list(directions))
        self._known: set[int] = set()

    def add(self, rows: Iterable[MirroredTrial]) -> None:
        """Adds the trials that it does not have yet."""
        for number, state, point, values, shown in rows:
            if number in self._known:
                continue
            self._known.add(number)
            distributions = self._distributions if point is not None else {}
            ended = TrialState.PRUNED if state == "stopped" else TrialState.FAIL
            trial = create_trial(
                state=TrialState.COMPLETE if values is not None else ended,
                values=values,
                params=dict(point or {}),
                distributions=distributions,
                user_attrs={"trial": number, "state": state, **shown},
            )
            self._study.add_trial(trial)

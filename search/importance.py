"""Which parameters mattered for each objective of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from search.objectives import losses
from search.samplers.importance import importances

if TYPE_CHECKING:
    from search.standing import Standing


def importance(standing: Standing) -> Mapping[str, Mapping[str, float]]:
    """Objective -> parameter -> its share, greatest first; over the trials that are points.

    Raises:
        ValueError: if too few trials are scored.
    """
    objectives = list(standing.objectives)
    trials = [trial for trial in standing.scored if trial.proposal.params is not None]
    points = [trial.proposal.params or {} for trial in trials]
    rows = [losses(objectives, trial.scores).tolist() for trial in trials]
    found = {}
    for i, objective in enumerate(objectives):
        shares = importances(points, [row[i] for row in rows])
        found[objective.name] = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return found

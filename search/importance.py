"""Which parameters mattered for each objective of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from search.objectives import losses
from search.samplers.importance import importances
from search.space.axis import family
from workers.methods import METHODS

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
    logs = {name for name in (points[0] if points else ()) if _is_log(name)}
    rows = [losses(objectives, trial.scores).tolist() for trial in trials]
    found = {}
    for i, objective in enumerate(objectives):
        shares = importances(points, [row[i] for row in rows], logs)
        found[objective.name] = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return found


def _is_log(axis: str) -> bool:
    """Whether the methods declare the parameter of an axis on a log scale."""
    name = family(axis).partition("[")[0]
    declared = [method.parameters[name] for method in METHODS.values() if name in method.parameters]
    return any(each.range is not None and each.range.log for each in declared)

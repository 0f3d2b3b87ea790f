"""Which parameters mattered for each objective of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from search.objectives import losses
from search.space import parameter_and_model
from workers.methods import METHODS

if TYPE_CHECKING:
    from search.results.results import RunResults

MEANING = (
    "the share of each parameter in whether a trial is among the best tenth. A name is "
    "parameter[model].part; a part is a class of modules, or a depth group (0: the first layers)"
)


def importance(results: RunResults) -> Mapping[str, Mapping[str, float]]:
    """Objective -> parameter -> its share, greatest first; over the trials that are points.

    Stopped trials count with their estimates: they are most of those that are not among the best.

    Raises:
        ValueError: if too few trials are scored.
    """
    from search.samplers import parameter_importance  # imports Optuna

    objectives = list(results.objectives)
    stopped = [trial for trial in results.trials if trial.state == "stopped" and trial.estimates]
    known = sorted([*results.scored, *stopped], key=lambda trial: trial.number)
    trials = [trial for trial in known if trial.proposal.params is not None]
    points = [dict(_used(trial.proposal.params or {})) for trial in trials]
    logs = {name for name in set().union(*points) if _is_log(name)}
    rows = [losses(objectives, trial.estimated_scores).tolist() for trial in trials]
    found = {}
    for i, objective in enumerate(objectives):
        shares = parameter_importance(points, [row[i] for row in rows], logs)
        found[objective.name] = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return found


def _used(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A point without what its method ignores and what belongs to models that it leaves out."""
    method = METHODS.get(params.get("method", ""))
    for name, value in params.items():
        parameter, model = parameter_and_model(name)
        is_ignored = method and parameter in _DECLARED and parameter not in method.parameters
        is_left_out = parameter in _DECLARED and not params.get(f"include[{model}]", True)
        if not (is_ignored or is_left_out):
            yield name, value


_DECLARED = {name for method in METHODS.values() for name in method.parameters}


def _is_log(axis: str) -> bool:
    """Whether the methods declare the parameter of an axis on a log scale."""
    name, _ = parameter_and_model(axis)
    declared = [method.parameters[name] for method in METHODS.values() if name in method.parameters]
    return any(each.range is not None and each.range.log for each in declared)

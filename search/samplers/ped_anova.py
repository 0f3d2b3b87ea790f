"""Which parameters mattered, by Optuna's PED-ANOVA (Watanabe 2023)."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import create_trial

LEAST = 20  # trials: of fewer, the best tenth says nothing


def parameter_importance(
    points: Sequence[Mapping[str, Any]], losses: Sequence[float], logs: Collection[str] = ()
) -> dict[str, float]:
    """How much each parameter decides whether a trial is among the best tenth; the sum is 1.

    A parameter is looked at over the trials that used it, and counts by how many they are.

    Args:
        points: of the scored trials, without what their methods ignored.
        losses: of one objective, in the same order.
        logs: the parameters on a log scale.

    Raises:
        ValueError: if there are too few trials to say.
    """
    if len(points) < LEAST:
        raise ValueError(f"importance needs {LEAST} scored trials in the space, not {len(points)}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: dict[str, float] = {}
    for names, rows in _groups(points):
        share = len(rows) / len(points)
        some = [{name: points[i][name] for name in names} for i in rows]
        values = _importance_in_group(some, [losses[i] for i in rows], logs)
        found |= {name: share * value for name, value in values.items()}
    total = sum(found.values())
    return {name: value / total if total > 0 else 0.0 for name, value in found.items()}


def _groups(points: Sequence[Mapping[str, Any]]) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Parameters that the same trials used, and which these are; not where they are too few."""
    users: dict[str, list[int]] = {}
    for i, point in enumerate(points):
        for name in point:
            users.setdefault(name, []).append(i)
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, rows in users.items():
        groups.setdefault(tuple(rows), []).append(name)
    return ((names, rows) for rows, names in groups.items() if len(rows) >= LEAST)


def _importance_in_group(
    points: Sequence[Mapping[str, Any]], losses: Sequence[float], logs: Collection[str]
) -> dict[str, float]:
    distributions = dict(_distributions(points, logs))
    if min(losses) == max(losses):  # nothing mattered
        return dict.fromkeys(distributions, 0.0)
    from optuna.importance import (  # imports scikit-learn, and few need it
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    study = optuna.create_study()
    study.add_trials(
        [
            create_trial(
                params={name: point[name] for name in distributions},
                distributions=distributions,
                value=loss,
            )
            for point, loss in zip(points, losses, strict=True)
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)  # of many equal losses: no share is greater
        return get_param_importances(
            study, evaluator=PedAnovaImportanceEvaluator(), normalize=False
        )


def _distributions(
    points: Sequence[Mapping[str, Any]], logs: Collection[str]
) -> list[tuple[str, BaseDistribution]]:
    """The axes as far as they were searched; one that never moved cannot have mattered."""
    found: list[tuple[str, BaseDistribution]] = []
    for name in points[0]:
        values = [point[name] for point in points]
        if isinstance(values[0], str | bool):
            choices = tuple(dict.fromkeys(values))
            if len(choices) > 1:
                found.append((name, CategoricalDistribution(choices)))
        elif min(values) < max(values):
            found.append((name, FloatDistribution(min(values), max(values), log=name in logs)))
    return found

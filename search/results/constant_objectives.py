"""Objectives with one value for all trials: they rank nothing, so they are named early."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.ledger import Trial
    from search.objectives import Objective

ENOUGH = 12  # scored trials, by which base, models, soup and scales should have differed


class ConstantError(ValueError):
    """Every objective has one value for all trials, so none is better than another."""


def constant_objectives(
    objectives: Sequence[Objective], scored: Collection[Trial]
) -> dict[str, float]:
    """The objectives with one value for all scored trials, and that value; none of a few trials."""
    if len(scored) < ENOUGH:
        return {}
    values = {each.name: {trial.scores[each.name] for trial in scored} for each in objectives}
    return {name: some.pop() for name, some in values.items() if len(some) == 1}


def constant_warnings(constant: Mapping[str, float], scored: int) -> list[str]:
    """A sentence for each constant objective."""
    return [
        f"objective {name} is {value:g} for all {scored} scored trials: it does not rank them"
        for name, value in constant.items()
    ]


def check_objectives(objectives: Sequence[Objective], scored: Collection[Trial]) -> list[str]:
    """Warnings about single constant objectives.

    Raises:
        ConstantError: if all objectives are constant.
    """
    constant = constant_objectives(objectives, scored)
    warnings = constant_warnings(constant, len(scored))
    if len(constant) == len(objectives):
        raise ConstantError(
            "\n".join([*warnings, "no trial is better than another: check the tasks and limits"])
        )
    return warnings

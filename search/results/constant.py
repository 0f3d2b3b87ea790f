"""Objectives that are the same for every trial: they rank nothing, and are named early."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.ledger.trial import Trial
    from search.objectives.objective import Objective

ENOUGH = 12  # scored trials, by which base, models, soup and scales should have differed


class ConstantError(ValueError):
    """Every objective is the same for all trials, so none is better than another."""


def constant(objectives: Sequence[Objective], scored: Collection[Trial]) -> dict[str, float]:
    """The objectives with one value for all scored trials, and that value; none of a few trials."""
    if len(scored) < ENOUGH:
        return {}
    values = {each.name: {trial.scores[each.name] for trial in scored} for each in objectives}
    return {name: some.pop() for name, some in values.items() if len(some) == 1}


def complaints(found: Mapping[str, float], scored: int) -> list[str]:
    """A sentence for each constant objective."""
    return [
        f"objective {name} is {value:g} for all {scored} scored trials: it tells none of them "
        "from another"
        for name, value in found.items()
    ]


def check(objectives: Sequence[Objective], scored: Collection[Trial]) -> list[str]:
    """Complaints about single objectives.

    Raises:
        ConstantError: if all objectives are constant.
    """
    found = constant(objectives, scored)
    told = complaints(found, len(scored))
    if len(found) == len(objectives):
        raise ConstantError(
            "\n".join([*told, "no trial is better than another: look at the tasks and their limit"])
        )
    return told

"""What the mean over the objectives is, in a sentence: they have different units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.objectives import Objective

SCALE = "0 = the worst of base and models, 1 = the best"
"""The scale on which objectives are averaged."""


def mean_text(objectives: Sequence[Objective]) -> str:
    """What the mean of a trial says, for the foot of a table.

    >>> from search.objectives import Objective
    >>> mean_text([Objective.of("law", "law", "acc,none", "maximize")])[:42]
    'mean: of all objectives, each on a scale: '
    """
    weighted = "" if len({each.weight for each in objectives}) < 2 else "weighted by `prefer`, "
    return (
        f"mean: of all objectives, {weighted}each on a scale: {SCALE}; above 1 = on average better "
        "than the best model of each objective"
    )

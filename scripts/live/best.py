"""The best that is known of a family: over every recipe that any search has ever scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from search.objectives import MARGIN, Losses, Objective, hypervolume, losses, normalised


@dataclass(frozen=True)
class Best:
    """What a search can reach, as far as known."""

    hypervolume: float
    mean: float


def best(
    objectives: list[Objective], anchors: Losses, scores: Iterable[Mapping[str, float]]
) -> Best:
    """The hypervolume and the best mean of all these scores together.

    Args:
        anchors: losses of base and models.
    """
    rows = np.array([losses(objectives, each) for each in scores])
    on_scale = normalised(rows, anchors)
    spans = np.ptp(anchors, axis=0) > 0
    reference = np.where(spans, 1.0, 0.0) + MARGIN  # as `RunResults` has it
    return Best(hypervolume(on_scale, reference), float(1 - on_scale.mean(1).min()))

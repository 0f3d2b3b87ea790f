"""A shorter recipe beside the one that it came from: what can be told apart, and what cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.results.interval import CONFIDENCE
from search.results.paired_test import PairedTest, holm, paired_test

if TYPE_CHECKING:
    from search.objectives import Objective
    from search.results.document_scores import DocumentScores


@dataclass(frozen=True)
class Contrast:
    """A recipe beside the original for one objective, on the same documents."""

    objective: str
    test: PairedTest
    """Of the improvement: positive if the new recipe is better, whatever the direction."""
    p_holm: float
    """Corrected over the objectives."""

    @property
    def is_worse(self) -> bool:
        """Whether the test tells that it is worse than the original."""
        return self.p_holm <= 1 - CONFIDENCE and self.test.difference < 0

    @property
    def is_better(self) -> bool:
        """Whether the test tells that it is better than the original."""
        return self.p_holm <= 1 - CONFIDENCE and self.test.difference > 0

    def __str__(self) -> str:
        low, high = self.test.interval
        return f"{self.objective} {self.test.difference:+.4f} [{low:+.4f}, {high:+.4f}]"

    def to_json(self) -> dict[str, Any]:
        """As in `mergefront simplify --json`."""
        interval = self.test.interval
        return {
            "improvement": self.test.difference,
            "interval": list(interval) if all(map(math.isfinite, interval)) else None,
            "test": self.test.test,
            "p": self.test.p_value,
            "p_holm": self.p_holm,
        }


def contrasts(
    objectives: Sequence[Objective],
    new: Mapping[str, DocumentScores],
    original: Mapping[str, DocumentScores],
) -> list[Contrast]:
    """Tests a recipe against the original, one test per objective."""
    tests = []
    for each in objectives:
        pair = new[each.name], original[each.name]
        tests.append(paired_test(*(pair if each.direction == "maximize" else reversed(pair))))
    corrected = holm([test.p_value for test in tests])
    return [
        Contrast(each.name, test, p)
        for each, test, p in zip(objectives, tests, corrected, strict=True)
    ]

"""Points that may be proposed, made in hundreds: random ones, and changes of known points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from search.samplers.encoding import Encoding, Rows

CROSSED = 0.4  # share of the changes that lie on the line through two points
BEYOND = 0.25  # how far beyond its two points such a one may lie, as a share of their distance
STEPS = (0.01, 0.3)  # least and greatest standard deviation of a change, in widths of the range
FLIPPED = 0.08  # probability that a choice is drawn again
UNEVEN = 0.1  # deviation by depth and module of half of the random points


@dataclass(frozen=True)
class Candidates:
    """Makes candidates as rows of an encoding.

    Args:
        encoding: of the space.
        rng: of this ask.
    """

    encoding: Encoding
    rng: np.random.Generator

    def random(self, count: int) -> Rows:
        """Points anywhere, whose values hardly differ by depth and module; shape (count, n_axes).

        A few points cannot fill a hundred dimensions, and most uneven merges are bad ones.
        """
        families = self.encoding.families
        unit = self.rng.random((count, families.max() + 1))[:, families]
        uneven = self.rng.random((count, 1)) < 0.5
        rows = unit + UNEVEN * uneven * self.rng.normal(size=unit.shape)
        drawn = np.floor(unit * self.encoding.n_choices)
        return np.where(self.encoding.is_choice, drawn, np.clip(rows, 0.0, 1.0))

    def near(self, points: Rows, count: int, reach: float = 1.0) -> Rows:
        """Changes of the points, shape (count, n_axes).

        Args:
            points: to change, each as likely as the others.
            count: of the changes.
            reach: factor of the steps and of the probabilities to cross and to flip.
        """
        rng, n_axes = self.rng, len(self.encoding)
        first = points[rng.integers(len(points), size=count)]
        second = points[rng.integers(len(points), size=count)]
        is_crossed = rng.random((count, 1)) < CROSSED * reach
        along = rng.uniform(-BEYOND, 1.0 + BEYOND, (count, 1))
        numbers = np.where(is_crossed, first + along * (second - first), first)
        numbers = _reflected(numbers + self._steps(count, reach))
        inherited = np.where(is_crossed & (rng.random((count, n_axes)) < 0.5), second, first)
        drawn = np.floor(rng.random((count, n_axes)) * self.encoding.n_choices)
        is_flipped = rng.random((count, n_axes)) < FLIPPED * reach
        choices = np.where(is_flipped, drawn, inherited)
        return np.where(self.encoding.is_choice, choices, numbers)

    def _steps(self, count: int, reach: float) -> Rows:
        """Normal steps: of some families as a whole, of some axes, or of all axes."""
        rng, n_axes, families = self.rng, len(self.encoding), self.encoding.families
        n_families = families.max() + 1
        by_family = rng.normal(size=(count, n_families))
        by_family *= rng.random((count, n_families)) < max(1.5 / n_families, 0.15)
        by_axis = rng.normal(size=(count, n_axes))
        share = n_axes ** rng.random((count, 1)) / n_axes  # from one axis to all, evenly in the log
        some = by_axis * (rng.random((count, n_axes)) < share)
        kind = rng.integers(3, size=(count, 1))
        steps = np.select([kind == 0, kind == 1], [by_family[:, families], some], 0.5 * by_axis)
        low, high = STEPS
        return np.asarray(reach * low * (high / low) ** rng.random((count, 1)) * steps)


def _reflected(rows: Rows) -> Rows:
    """Numbers beyond an end of [0, 1] are reflected at it, once."""
    return np.clip(np.where(rows > 1.0, 2.0 - rows, np.abs(rows)), 0.0, 1.0)

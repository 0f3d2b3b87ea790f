"""Selection, crossover and mutation, for many children at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from search.samplers.evolution.encoding import Encoding, Rows

LINE = 0.3  # share of children on the line through their parents; the others by SBX
SPREAD = 10.0  # of SBX: the greater, the nearer to the parents (Deb & Agrawal 1995)
REACH = 0.25  # how far beyond its parents a child may lie on their line, in their distance
STEPS = (0.02, 0.4)  # standard deviations of a mutation, in widths of the range
FLIP = 0.08  # of a choice


@dataclass(frozen=True)
class Breeder:
    """Makes children of parents that are sorted from best to worst.

    Args:
        encoding: of the space.
        rng: all that is left to chance.
    """

    encoding: Encoding
    rng: np.random.Generator

    def children(self, parents: Rows, count: int) -> Rows:
        """`count` children, shape (count, n_axes)."""
        first, second = parents[self._chosen(parents, count)], parents[self._chosen(parents, count)]
        numbers = np.where(
            self.rng.random((count, 1)) < LINE, self._line(first, second), self._sbx(first, second)
        )
        numbers = _reflected(self._mutated(numbers))
        return np.where(self.encoding.is_choice, self._choices(first, second), numbers)

    def _chosen(self, parents: Rows, count: int) -> NDArray[np.intp]:
        """Binary tournaments: the better of two, and the better ones come first."""
        return np.asarray(self.rng.integers(len(parents), size=(count, 2)).min(axis=1))

    def _line(self, first: Rows, second: Rows) -> Rows:
        along = self.rng.uniform(-REACH, 1 + REACH, (len(first), 1))
        return first + along * (second - first)

    def _sbx(self, first: Rows, second: Rows) -> Rows:
        u = self.rng.random(first.shape)
        inside = (2 * u) ** (1 / (SPREAD + 1))
        outside = (1 / (2 * (1 - u))) ** (1 / (SPREAD + 1))
        beta = np.where(u <= 0.5, inside, outside)
        sides = np.where(self.rng.random(first.shape) < 0.5, 1.0, -1.0)
        return np.asarray(0.5 * ((first + second) + sides * beta * (first - second)))

    def _mutated(self, rows: Rows) -> Rows:
        """Few parameters by a long way in some children, all of them by a little in others."""
        n_numbers = max(int((~self.encoding.is_choice).sum()), 1)
        genes = n_numbers ** self.rng.random((len(rows), 1))  # from one to all, evenly in the log
        step = STEPS[0] * (STEPS[1] / STEPS[0]) ** self.rng.random((len(rows), 1))
        hit = self.rng.random(rows.shape) < genes / n_numbers
        return np.where(hit, rows + step * self.rng.normal(size=rows.shape), rows)

    def _choices(self, first: Rows, second: Rows) -> Rows:
        inherited = np.where(self.rng.random(first.shape) < 0.5, first, second)
        drawn = np.floor(self.rng.random(first.shape) * self.encoding.n_choices)
        return np.where(self.rng.random(first.shape) < FLIP, drawn, inherited)


def _reflected(rows: Rows) -> Rows:
    """Numbers beyond an end of [0, 1] are mirrored at it, once."""
    return np.clip(np.where(rows > 1.0, 2.0 - rows, np.abs(rows)), 0.0, 1.0)

"""A run as its files tell it at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.ledger.names import FINISHED, proposed_name

if TYPE_CHECKING:
    from search.trial import Proposal, Trial


@dataclass(frozen=True)
class Gaps:
    """What was there once, as the numbers that are left tell."""

    numbers: frozenset[int]
    """Of trials."""
    orders: frozenset[int]
    """In which trials finished."""

    def __bool__(self) -> bool:
        return bool(self.numbers or self.orders)

    def __and__(self, other: Gaps) -> Gaps:
        return Gaps(self.numbers & other.numbers, self.orders & other.orders)

    @property
    def said(self) -> list[str]:
        """In words."""
        found = [
            f"{proposed_name(number)} is missing, and so is its outcome"
            for number in sorted(self.numbers)
        ]
        gone = len(self.orders) - len(self.numbers)
        if gone > 0:
            found.append(
                f"{gone} of the files of {FINISHED}/ are missing, with as many finished trials"
            )
        return found


@dataclass(frozen=True)
class Contents:
    """A run as its files tell it at one moment."""

    trials: list[Trial]
    """Finished, in the order of finishing."""
    waiting: dict[int, Proposal]
    """Proposed and not finished, by number, in order."""
    unreadable: list[str]
    """Files that cannot be read, each with what is wrong."""
    gaps: Gaps

    @property
    def damage(self) -> list[str]:
        """Files that cannot be read or are missing, each with what is wrong."""
        return self.unreadable + self.gaps.said

    @property
    def proposals(self) -> dict[int, Proposal]:
        """Every proposal by number, in order."""
        known = {trial.number: trial.proposal for trial in self.trials} | self.waiting
        return dict(sorted(known.items()))


def gaps(found: Mapping[int, Trial], waiting: Mapping[int, Proposal]) -> Gaps:
    """Numbers and orders that are not there, though greater ones are."""
    orders = {trial.order for trial in found.values()}
    return Gaps(_missing(found.keys() | waiting.keys()), _missing(orders))


def _missing(known: Collection[int]) -> frozenset[int]:
    return frozenset(range(max(known, default=-1) + 1)).difference(known)

"""A run as its files tell it at one moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.ledger.paths import FINISHED, proposed_name

if TYPE_CHECKING:
    from search.ledger.trial import Proposal, Trial


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
        found = [_missing_file(first, last) for first, last in _stretches(self.numbers)]
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


def _missing_file(first: int, last: int) -> str:
    if first == last:
        return f"{proposed_name(first)} is missing, and so is its outcome"
    files = f"{proposed_name(first)} to {proposed_name(last)}"
    return f"{files} are missing, and so are their outcomes"


def _stretches(numbers: Collection[int]) -> Iterator[tuple[int, int]]:
    """First and last of the numbers that follow each other."""
    firsts = sorted(n for n in numbers if n - 1 not in numbers)
    lasts = sorted(n for n in numbers if n + 1 not in numbers)
    return zip(firsts, lasts, strict=True)


def _missing(known: Collection[int]) -> frozenset[int]:
    return frozenset(range(max(known, default=-1) + 1)).difference(known)

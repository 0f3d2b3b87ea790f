"""The trials and proposals of a run, and which files are damaged or missing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluators.wording import counted
from search.ledger.paths import FINISHED, proposed_name

if TYPE_CHECKING:
    from search.ledger.trial import Proposal, Trial


@dataclass(frozen=True)
class Gaps:
    """Trials that existed once: greater numbers or orders exist, and theirs are missing."""

    numbers: frozenset[int]
    """Numbers of trials with neither a proposal nor an outcome."""
    orders: frozenset[int]
    """Positions in the order of finishing that no trial has."""

    def __bool__(self) -> bool:
        return bool(self.numbers or self.orders)

    def __and__(self, other: Gaps) -> Gaps:
        return Gaps(self.numbers & other.numbers, self.orders & other.orders)

    @property
    def messages(self) -> list[str]:
        """Each gap in a sentence."""
        found = [_missing_files(first, last) for first, last in _ranges(self.numbers)]
        missing = len(self.orders) - len(self.numbers)
        if missing > 0:
            found.append(
                f"{FINISHED}/ lacks {counted(missing, 'file')}, with as many finished trials"
            )
        return found


@dataclass(frozen=True)
class Contents:
    """The trials and proposals of a run at one moment."""

    trials: list[Trial]
    """Finished, in the order of finishing."""
    waiting: dict[int, Proposal]
    """Proposals without an outcome, by number, in order."""
    unreadable: list[str]
    """Files that cannot be read, each with its error."""
    gaps: Gaps

    @property
    def damage(self) -> list[str]:
        """Files that cannot be read or are missing, one message each."""
        return self.unreadable + self.gaps.messages

    @property
    def proposals(self) -> dict[int, Proposal]:
        """Every proposal by number, in order."""
        found = {trial.number: trial.proposal for trial in self.trials} | self.waiting
        return dict(sorted(found.items()))


def find_gaps(trials: Mapping[int, Trial], waiting: Mapping[int, Proposal]) -> Gaps:
    """Numbers and orders that are missing although greater ones exist."""
    orders = {trial.order for trial in trials.values()}
    return Gaps(_missing(trials.keys() | waiting.keys()), _missing(orders))


def _missing_files(first: int, last: int) -> str:
    if first == last:
        return f"{proposed_name(first)} is missing, and so is its outcome"
    files = f"{proposed_name(first)} to {proposed_name(last)}"
    return f"{files} are missing, and so are their outcomes"


def _ranges(numbers: Collection[int]) -> Iterator[tuple[int, int]]:
    """First and last number of each range of consecutive numbers."""
    firsts = sorted(n for n in numbers if n - 1 not in numbers)
    lasts = sorted(n for n in numbers if n + 1 not in numbers)
    return zip(firsts, lasts, strict=True)


def _missing(known: Collection[int]) -> frozenset[int]:
    return frozenset(range(max(known, default=-1) + 1)).difference(known)

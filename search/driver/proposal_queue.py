"""Recorded proposals that wait for a worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.ledger import Proposal


@dataclass
class ProposalQueue:
    """Proposals asked ahead or left by a driver that died, first in, first out.

    A proposal whose recipe is being evaluated waits aside: soon it may be a duplicate.
    """

    labels: set[str | None] = field(default_factory=set)
    """Of all proposals of the run, also those that have left the queue."""
    digests: set[str] = field(default_factory=set)
    """Of the recipes of all proposals of the run."""
    _ready: deque[Proposal] = field(default_factory=deque)
    _aside: list[Proposal] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._ready) + len(self._aside)

    @property
    def ready(self) -> int:
        """How many proposals may go to a worker, as far as known."""
        return len(self._ready)

    def register(self, proposal: Proposal) -> None:
        """Notes that this was proposed."""
        self.labels.add(proposal.label)
        self.digests.add(proposal.digest)

    def add(self, proposal: Proposal) -> None:
        """Queues a registered proposal."""
        self._ready.append(proposal)

    def take(self, in_evaluation: Collection[str]) -> Proposal | None:
        """The next proposal whose recipe is not in evaluation; those before it wait aside."""
        while self._ready:
            proposal = self._ready.popleft()
            if proposal.digest not in in_evaluation:
                return proposal
            self._aside.append(proposal)
        return None

    def requeue(self) -> None:
        """Puts the proposals that wait aside at the front again: an evaluation has ended."""
        self._ready.extendleft(self._aside)
        self._aside.clear()

"""The candidates that wait for a worker, and how often each may be retried."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from evaluators.wording import counted
from workers.candidate import Candidate, Outcome
from workers.pool.slot import Slot, choose_slot


class CandidateQueue:
    """First in, first out; a candidate whose worker died goes to the front.

    Args:
        retries: how often a candidate is tried again after its worker died.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._waiting: deque[Candidate] = deque()
        self._deaths: dict[int, list[tuple[str, int]]] = {}  # by trial: nodes and slots

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, candidate: Candidate) -> None:
        """Appends a candidate."""
        self._waiting.append(candidate)

    def assign(self, slots: Sequence[Slot]) -> Iterator[tuple[Candidate, Slot]]:
        """Removes candidates, each with an idle slot; the caller makes that slot busy."""
        for candidate in list(self._waiting):
            if slot := choose_slot(slots, self._deaths.get(candidate.trial, [])):
                self._waiting.remove(candidate)
                yield candidate, slot

    def retry(self, candidate: Candidate, slot: Slot, cause: str) -> Outcome | None:
        """Queues a candidate whose worker died; its failed outcome after the last retry."""
        deaths = self._deaths.setdefault(candidate.trial, [])
        deaths.append((slot.node, slot.number))
        if len(deaths) <= self._retries:
            self._waiting.appendleft(candidate)
            return None
        count = len(self._deaths.pop(candidate.trial))
        died = f"its worker died {counted(count, 'time')}: {cause}"
        return Outcome(candidate.trial, "failed", cause=died)

    def finish(self, trial: int) -> None:
        """Forgets the deaths of a candidate that has an outcome."""
        self._deaths.pop(trial, None)

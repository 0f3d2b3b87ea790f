"""Asking for the next point beside the driver's loop, so that a slow sampler idles no worker.

One thread does everything that touches the study. Updates are queued and applied just before the
next ask, so an ask knows exactly the outcomes that were there when it was started.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.ledger import Proposal
    from search.samplers import Study

Update = Callable[["Study"], object]
Record = Callable[[int, dict[str, Any], dict[str, Any]], "Proposal"]


class AskThread:
    """A study in a thread of its own, with at most one ask under way."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ask")
        self._updates: list[Update] = []
        self._answer: Future[Proposal] | None = None
        self._recording = threading.Lock()
        self._is_closed = False

    @property
    def is_under_way(self) -> bool:
        """Whether an ask was started and its answer not taken."""
        return self._answer is not None

    def update(self, update: Update) -> None:
        """Queues what the study must know before the next ask."""
        self._updates.append(update)

    def start(self, number: int, record: Record) -> None:
        """Starts asking for trial `number`.

        Args:
            number: of the trial.
            record: makes the proposal of the number, the point and the sampler's notes, and
                records it.
        """
        updates, self._updates = self._updates, []
        self._answer = self._thread.submit(self._ask, updates, number, record)

    def take(self, seconds: float = 0.0) -> Proposal | None:
        """The proposal, if it arrives within so many seconds."""
        if self._answer is None:
            return None
        done, _ = wait([self._answer], timeout=seconds)
        if not done:
            return None
        answer, self._answer = self._answer, None
        return answer.result()

    def close(self) -> None:
        """Ends the thread; an ask under way is lost, and nothing is recorded any more."""
        with self._recording:
            self._is_closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self, updates: Sequence[Update], number: int, record: Record) -> Proposal:
        for update in updates:
            update(self._study)
        asked, params, notes = self._study.ask()
        assert asked == number, f"the study calls trial {number} {asked}"
        with self._recording:
            if self._is_closed:
                raise RuntimeError("the driver has released the run")
            return record(number, params, notes)

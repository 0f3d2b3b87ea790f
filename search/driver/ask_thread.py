"""AskThread for the next point beside the driver's loop, so that a slow sampler idles no worker.

One thread does all that touches the study: what happened is queued and told just before the next
ask, so an ask sees exactly the outcomes that were there when it was begun.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from search.ledger.trial import Proposal
from search.samplers.auto import Pace

Event = Callable[["Asker"], object]
WriteDown = Callable[[int, dict[str, Any], dict[str, Any]], Proposal]


class Asker(Protocol):
    """What the driver needs of a study."""

    @property
    def can_ask(self) -> bool:
        """Whether there is anything to search."""

    def ask(self, pace: Pace) -> tuple[int, dict[str, Any], dict[str, Any]]: ...

    def add(self, params: dict[str, Any] | None, notes: Mapping[str, Any] | None = None) -> int: ...

    def tell(
        self, number: int, values: Sequence[float] | None, *, broken: bool = False
    ) -> None: ...


class AskThread:
    """A study in a thread of its own, with one ask under way at most."""

    def __init__(self, study: Asker) -> None:
        self._study = study
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ask")
        self._events: list[Event] = []
        self._answer: Future[Proposal] | None = None
        self._writing = threading.Lock()
        self._is_closed = False

    @property
    def is_under_way(self) -> bool:
        """Whether an ask was begun and its answer not taken."""
        return self._answer is not None

    def note(self, event: Event) -> None:
        """Queues what the study must know before the next ask."""
        self._events.append(event)

    def begin(self, number: int, pace: Pace, write_down: WriteDown) -> None:
        """Asks for trial `number`.

        Args:
            number: of the trial.
            pace: of the search.
            write_down: makes the proposal of the number, the point and the sampler's notes, and
                records it.
        """
        events, self._events = self._events, []
        self._answer = self._thread.submit(self._ask, events, number, pace, write_down)

    def take(self, seconds: float = 0.0) -> Proposal | None:
        """The proposal, if it is there within so many seconds."""
        if self._answer is None:
            return None
        done, _ = wait([self._answer], timeout=seconds)
        if not done:
            return None
        answer, self._answer = self._answer, None
        return answer.result()

    def close(self) -> None:
        """Lets go of the thread; an ask under way is lost, and nothing is written any more."""
        with self._writing:
            self._is_closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(
        self, events: Sequence[Event], number: int, pace: Pace, write_down: WriteDown
    ) -> Proposal:
        for event in events:
            event(self._study)
        given, params, notes = self._study.ask(pace)
        assert given == number, f"the study calls trial {number} {given}"
        with self._writing:
            if self._is_closed:
                raise RuntimeError("the driver has let go of the run")
            return write_down(number, params, notes)

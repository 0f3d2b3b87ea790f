"""A tracker that can neither stop nor slow a search."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from functools import partial

from search.trackers.protocol import TrackedTrial, Tracker

log = logging.getLogger(__name__)

LAST_WAIT = 15.0  # seconds that a tracker has at the end for what it has not yet recorded


class BackgroundTracker:
    """Records trials in a thread of its own; the first error is logged, and no other.

    Args:
        name: of the tracker, for the log.
        open_tracker: makes it; called in the thread, because it may wait for a network.
    """

    def __init__(self, name: str, open_tracker: Callable[[], Tracker]) -> None:
        self._name = name
        self._open = open_tracker
        self._calls: queue.SimpleQueue[Callable[[], TrackedTrial] | None] = queue.SimpleQueue()
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name=f"{name} tracker", daemon=True)
        self._thread.start()

    def log(self, make_trial: Callable[[], TrackedTrial]) -> None:
        """Queues a trial, which is made in the thread; returns at once and never raises."""
        self._calls.put(make_trial)

    def close(self) -> None:
        """Waits a moment for what is queued, and no longer."""
        self._calls.put(None)
        self._thread.join(LAST_WAIT)
        if self._thread.is_alive():
            log.warning("%s is slow: its last trials may be missing there", self._name)

    def _run(self) -> None:
        try:
            tracker = self._open()
        except Exception as error:  # a tracker may raise anything, and a search goes on without it
            self._report(error)
            return
        while make_trial := self._calls.get():
            self._attempt(partial(_log, tracker, make_trial))
        self._attempt(tracker.close)

    def _attempt(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # as above
            self._report(error)

    def _report(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            what = f"{type(error).__name__}: {error}"
            log.warning("%s does not record this search fully: %s", self._name, what)


def _log(tracker: Tracker, make_trial: Callable[[], TrackedTrial]) -> None:
    tracker.log(make_trial())

"""Slow reads of another server, done once for all who ask, who never wait long for them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

PATIENCE = 5.0  # seconds that requests wait for a read in all
GIVEN_UP = 60.0  # seconds after which a read that hangs is begun anew

T = TypeVar("T")


class SharedRead(Generic[T]):
    """A read in a thread of its own, one at a time; its result is used for a while.

    Args:
        read: may hang.
        fresh: seconds for which a result is used.
        retry: seconds before a read that failed is repeated.
    """

    def __init__(self, read: Callable[[], T], *, fresh: float, retry: float) -> None:
        self._read, self._fresh, self._retry = read, fresh, retry
        self._lock = threading.Lock()
        self._future: Future[T] = Future()
        self._began = self._until = self._changed = -math.inf

    def look_again(self) -> None:
        """Has the next request read again, because something was changed."""
        self._changed = time.monotonic()

    def value(self) -> T:
        """What was read after the last change.

        Raises:
            TimeoutError: if the read hangs.
            Exception: what it raises.
        """
        while True:
            future, began = self._current()
            found = future.result(max(0.0, began + PATIENCE - time.monotonic()))
            if began >= self._changed:
                return found

    def _current(self) -> tuple[Future[T], float]:
        with self._lock:
            now = time.monotonic()
            if self._future.done():
                is_old = now >= self._until or self._began < self._changed
            else:
                is_old = now >= self._began + GIVEN_UP
            if is_old:
                self._future, self._began = Future(), now
                threading.Thread(target=self._do, args=(self._future,), daemon=True).start()
            return self._future, self._began

    def _do(self, future: Future[T]) -> None:
        try:
            found = self._read()
        except Exception as error:  # each who asks gets it
            self._ends(future, self._retry)
            future.set_exception(error)
        else:
            self._ends(future, self._fresh)
            future.set_result(found)

    def _ends(self, future: Future[T], use: float) -> None:
        with self._lock:
            if future is self._future:
                self._until = time.monotonic() + use

"""Signals that end a search without losing what is under way."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from search.driver.driver import LAST_WAIT, Driver

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopped_by_signals(driver: Driver) -> Iterator[None]:
    """The first signal stops the search, the second leaves at once, the third even skips clean-up.

    Installed after Ray has started, which installs a SIGTERM handler of its own. Outside the main
    thread, where Python allows no handlers, signals are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop() -> None:
        driver.stop()
        if driver.running:
            log.warning(
                "stopping  %d running candidates have %d s to finish; signal again to leave now",
                len(driver.running),
                LAST_WAIT,
            )

    actions = iter((stop, driver.leave))

    def handle(number: int, _: object) -> None:
        action = next(actions, None)
        if action is None:
            signal.default_int_handler(number, None)
        else:
            action()

    previous = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

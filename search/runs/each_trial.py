"""Calls a function with each trial that finishes in a session of a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.driver import Driver
    from search.ledger import Ledger, Trial

OnTrial = Callable[["Trial"], None]


class EachTrial:
    """To be called after every step of a driver, as its `watch`, and once when it has ended.

    Args:
        ledger: of the run, before the session: its trials are not new.
        on_trial: is called with each new trial, in the order of finishing.
    """

    def __init__(self, ledger: Ledger, on_trial: OnTrial) -> None:
        self._seen = len(ledger.trials())
        self._on_trial = on_trial

    def __call__(self, driver: Driver) -> None:
        """Reports the trials that have finished since the last call."""
        for trial in driver.trials[self._seen :]:
            self._seen += 1
            self._on_trial(trial)

"""The progress of a search: one live line on a terminal, a plain line at intervals elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.text import Text

from evaluators.wording import counted
from search.cli.duration import duration
from search.results import Effort, RunResults

if TYPE_CHECKING:
    from rich.console import Console

    from search.driver import Driver

PLAIN_INTERVAL = 15.0  # seconds between two lines where there is no terminal
LIVE_INTERVAL = 0.5  # seconds between two updates of the line on a terminal
MIN_TIMES = 6  # fewer times give the rate at which workers start, not that of trials
WINDOW = 30  # finished trials from which the rate is computed


class Progress:
    """Shows the progress of a search each time it is called with the driver."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._times: list[float] = [time.monotonic()]
        self._last = -PLAIN_INTERVAL
        self._finished: int | None = None

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Keeps the line on the terminal inside this context."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(console=self._console, refresh_per_second=4) as self._live:
            yield self

    def __call__(self, driver: Driver) -> None:
        """Records the times of newly finished trials and updates the line."""
        now = time.monotonic()
        done = len(driver.trials)
        if self._finished is None:
            self._finished = done
        self._times += [now] * (done - self._finished)
        self._finished = done
        interval = PLAIN_INTERVAL if self._live is None else LIVE_INTERVAL
        if now - self._last < interval and not driver.finished:
            return
        self._last = now
        if self._live is not None:
            self._live.update(Text(self.line(driver)))
        else:
            self._console.print(self.line(driver), soft_wrap=True, markup=False)

    def line(self, driver: Driver) -> str:
        """Finished and running trials, the size of the front, best values, rate and time left.

        Before the first trial, how the workers start, and why one could not.
        """
        results = RunResults(driver.objectives, driver.trials)
        picks = [(how, results.pick(how)) for how in ("mean", "knee") if results.front]
        best = ", ".join(
            f"{how} {results.mean(trial):.3f} (trial {trial.number})" for how, trial in picks
        )
        parts = [
            f"{len(driver.trials)}/{counted(driver.budget.trials, 'trial')}",
            f"{len(driver.running)} running",
            f"front {len(results.front)}",
            f"best by {best}" if best else "",
            str(Effort.of(driver.trials)),
            *([] if driver.trials else self._start(driver.pool.report)),
            *self._rate(driver),
        ]
        return " · ".join(part for part in parts if part)

    def _start(self, report: Mapping[str, Any]) -> list[str]:
        return ["starting workers", str(report["preparing"]), *report["troubles"]]

    def _rate(self, driver: Driver) -> list[str]:
        times = self._times[-WINDOW:]
        if len(times) < MIN_TIMES or time.monotonic() <= times[0]:
            return []
        rate = (len(times) - 1) / (time.monotonic() - times[0])
        left = (driver.budget.trials - len(driver.trials)) / rate
        return [f"{60 * rate:.1f} trials/min", f"ETA {duration(left)}"]

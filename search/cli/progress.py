"""A search's progress: one live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from search.cli.duration import duration
from search.results import RunResults

if TYPE_CHECKING:
    from rich.console import Console

    from search.driver import Driver

EVERY = 15.0  # seconds between two lines where there is no terminal
LIVE = 0.5  # seconds between two looks on one
FEWEST = 6  # marks of which a rate can be told: before, it is that of starting workers
WINDOW = 30  # finished trials that the rate is taken over


class Progress:
    """Says how far a search is whenever it is called with the driver."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._times: list[float] = [time.monotonic()]
        self._last = -EVERY
        self._finished: int | None = None

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """The line stays up to date inside."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(console=self._console, refresh_per_second=4) as self._live:
            yield self

    def __call__(self, driver: Driver) -> None:
        """Takes note of what is new and shows it."""
        now = time.monotonic()
        done = len(driver.trials)
        if self._finished is None:
            self._finished = done
        self._times += [now] * (done - self._finished)
        self._finished = done
        if now - self._last < (EVERY if self._live is None else LIVE) and not driver.finished:
            return
        self._last = now
        if self._live is not None:
            self._live.update(Text(self.line(driver)))
        else:
            self._console.print(self.line(driver), highlight=False)

    def line(self, driver: Driver) -> str:
        """Trials done, running, front size, best per objective, rate and time left."""
        standing = RunResults(driver.objectives, driver.trials)
        best = "  ".join(f"{name} {value:.3f}" for name, value in standing.best().items())
        parts = [
            f"{len(driver.trials)}/{driver.budget.trials} trials",
            f"{len(driver.running)} running",
            f"front {len(standing.front)}",
            f"best {best}" if best else "",
            "" if driver.trials else "starting workers",
            "" if driver.trials else str(driver.pool.report.get("beginning", "")),
            *self._pace(driver),
        ]
        return " · ".join(part for part in parts if part)

    def _pace(self, driver: Driver) -> list[str]:
        times = self._times[-WINDOW:]
        if len(times) < FEWEST or time.monotonic() <= times[0]:
            return []
        rate = (len(times) - 1) / (time.monotonic() - times[0])
        left = (driver.budget.trials - len(driver.trials)) / rate
        return [f"{60 * rate:.1f} trials/min", f"ETA {duration(left)}"]

"""The progress of a search: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from search.cli.live_view import LiveView, phase, plain_line
from search.cli.output import live
from search.cli.steps import StepLine, shown_steps
from search.results import RunResults
from search.runs import progress_of_driver

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from search.driver import Driver
    from search.runs import RunProgress

PLAIN_INTERVAL = 15.0  # seconds between two lines where there is no terminal
LIVE_INTERVAL = 0.5  # seconds between two updates on a terminal
SHARE = 0.05  # of the driver's time that the results may cost, and as much again their display


class ProgressDisplay:
    """Shows the progress of a run each time it is given one.

    Args:
        console: of the terminal, or of a file.
        run: the folder or URI of the run.
        front_follows: whether the whole front is printed after the view, which then ends without.
    """

    def __init__(self, console: Console, run: str, *, front_follows: bool = False) -> None:
        self._console, self._run, self._front_follows = console, run, front_follows
        self._steps = StepLine(console)
        self._live: Live | None = None
        self._view: LiveView | None = None
        self._line, self._line_due = "", 0.0
        self._event = ("", "")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keeps the view on the terminal, inside this context and after it."""
        with shown_steps(self._show_step):
            try:
                yield
            finally:
                self._steps.clear()
                if self._live and self._view:
                    if self._front_follows:
                        view = replace(self._view, with_front=False)
                        self._live.update(view, refresh=True)
                    self._live.stop()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is ever shown."""
        return self._console.quiet

    def show(self, progress: RunProgress) -> None:
        """Shows the progress; as plain lines, one per interval and one where something begins."""
        if self.is_quiet:
            return
        if self._console.is_interactive:
            self._show_view(LiveView(progress, self._run))
            return
        event = phase(progress), progress.state
        line, now = plain_line(progress), time.monotonic()
        if line != self._line and (event != self._event or now >= self._line_due):
            self._event, self._line, self._line_due = event, line, now + PLAIN_INTERVAL
            self._console.print(line, soft_wrap=True, markup=False)

    def _show_step(self, step: str) -> None:
        if self._live is None:  # the view says by itself what is done
            self._steps.show(step)

    def _show_view(self, view: LiveView) -> None:
        self._steps.clear()
        if self._live is None:
            self._live = live(self._console, view)
            self._live.start()
        self._view = view
        self._live.update(view, refresh=True)


class Progress:
    """Shows the progress of a search each time it is called with the driver."""

    def __init__(self, console: Console, name: str, run: str) -> None:
        self._display = ProgressDisplay(console, run, front_follows=True)
        self._name = name
        self._results: RunResults | None = None
        self._results_due = self._due = 0.0

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Keeps the view on the terminal inside this context."""
        with self._display.shown():
            yield self

    def __call__(self, driver: Driver) -> None:
        """Updates the view, unless it is as good as new."""
        now = time.monotonic()
        if self._display.is_quiet or (now < self._due and not driver.finished):
            return
        results = self._current_results(driver, now)
        shown = time.monotonic()
        self._display.show(progress_of_driver(driver, self._name, results))
        now = time.monotonic()
        self._due = now + max(LIVE_INTERVAL, (now - shown) / SHARE)

    def _current_results(self, driver: Driver, now: float) -> RunResults:
        """The results of the trials so far; of a large run they may be some seconds old.

        Front and hypervolume cost more with each trial, and the driver waits for them.
        """
        known = self._results
        is_new = known is None or len(known.trials) != len(driver.trials)
        if known is None or (is_new and (now >= self._results_due or driver.finished)):
            known = self._results = RunResults(driver.objectives, list(driver.trials))
            _ = known.scored and (known.pick("knee"), known.history)
            self._results_due = time.monotonic() + (time.monotonic() - now) / SHARE
        return known

"""Says from the first moment on what a command is doing, so that it is never silent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evaluators.steps import STEPS
from search.cli.output import live, messages

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live


class StepLine:
    """The current step: a line with a spinner on a terminal, a line of its own elsewhere.

    Args:
        console: to show it on; by default that of all messages.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._live: Live | None = None

    def show(self, step: str) -> None:
        """Replaces the step that was shown before."""
        from rich.spinner import Spinner
        from rich.text import Text

        console = self._console or messages()
        spinner = Spinner("dots", Text(step, no_wrap=True, overflow="ellipsis"))
        if console.quiet:
            return
        if not console.is_interactive:
            console.print(f"{step} ...", soft_wrap=True, markup=False)
        elif self._live is None:
            self._live = live(console, spinner, per_second=10, transient=True)
            self._live.start()
        else:
            self._live.update(spinner)

    def clear(self) -> None:
        """Takes the line off the terminal until the next step."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class _StepHandler(logging.Handler):
    """Hands steps to whatever shows them."""

    def __init__(self, show: Callable[[str], None], clear: Callable[[], None]) -> None:
        super().__init__()
        self._show, self.clear = show, clear

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())


_shown: list[_StepHandler] = []  # the innermost last: it alone gets the steps


@contextmanager
def shown_steps(show: Callable[[str], None] | None = None) -> Iterator[None]:
    """Shows the steps that begin inside this context, by default on a line of their own.

    Args:
        show: is called with each step instead.
    """
    line = StepLine()
    handler = _StepHandler(show or line.show, line.clear)
    clear_steps()
    if _shown:
        STEPS.removeHandler(_shown[-1])
    _shown.append(handler)
    STEPS.addHandler(handler)
    try:
        yield
    finally:
        handler.clear()
        _shown.remove(handler)
        STEPS.removeHandler(handler)
        if _shown:
            STEPS.addHandler(_shown[-1])


def clear_steps() -> None:
    """Takes the current step off the terminal, before something is asked or shown there."""
    if _shown:
        _shown[-1].clear()

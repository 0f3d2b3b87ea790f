"""Where the commands print: results to standard output, everything else to standard error.

One console has all that goes to standard error, so that a log line never breaks a live display.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live


class _Output:
    """What the options of this process's command say of its output."""

    quiet = False


def set_quiet(quiet: bool) -> None:
    """Whether anything but results and errors is printed."""
    _Output.quiet = quiet
    messages.cache_clear()


def is_quiet() -> bool:
    """Whether only results and errors are printed."""
    return _Output.quiet


def console(*, stderr: bool = False) -> Console:
    """A terminal, or a file that is printed to without colours; NO_COLOR is obeyed."""
    from rich.console import Console

    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return Console(stderr=stderr, highlight=False, color_system=colours)


@cache
def messages() -> Console:
    """The console of standard error: log lines, progress, notes."""
    found = console(stderr=True)
    found.quiet = is_quiet()
    return found


def note(message: str) -> None:
    """Prints a message that is no result, unless --quiet is given."""
    messages().print(message, soft_wrap=True, markup=False)


def print_error(message: str) -> None:
    """Prints what ends the program, also with --quiet."""
    print(message, file=sys.stderr)


def live(
    console: Console,
    renderable: RenderableType,
    *,
    per_second: float | None = None,
    transient: bool = False,
) -> Live:
    """A display that is renewed in place, with everything else that is printed above it.

    What goes to standard output stays there if that is no terminal.

    Args:
        console: a terminal.
        renderable: what is shown first.
        per_second: how often it is drawn; only when it is renewed by default.
        transient: whether it vanishes at the end.
    """
    from rich.live import Live

    return Live(
        renderable,
        console=console,
        transient=transient,
        auto_refresh=per_second is not None,
        refresh_per_second=per_second or 1,
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )

"""Where the commands print: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A terminal, or a file that is printed to without colours."""
    from rich.console import Console

    return Console(stderr=stderr, quiet=quiet, highlight=False)


def note(message: str) -> None:
    """Prints a message that is no result."""
    print(message, file=sys.stderr)

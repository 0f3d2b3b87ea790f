"""Exit statuses, and how an error becomes one message without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from search.cli.log_format import LogFormat, set_up_logging
from search.cli.output import note

DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 3


def fail(message: str, status: int) -> NoReturn:
    """Prints the message and ends the program with this exit status."""
    note(message)
    raise typer.Exit(status)


@contextmanager
def input_errors(log_format: LogFormat = "text") -> Iterator[None]:
    """Reports wrong input as one message with exit status 2; log lines have this format."""
    set_up_logging(log_format)
    try:
        yield
    except ValueError as error:
        fail(str(error), WRONG_INPUT)
    except OSError as error:
        fail(str(error), FAILED)


@contextmanager
def write_errors() -> Iterator[None]:
    """Reports a failure of the disk as such, not as wrong input; the writer has cleaned up."""
    try:
        yield
    except OSError as error:
        fail(f"writing failed, and no partial output was left: {error}", FAILED)

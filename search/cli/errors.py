"""Exit statuses, and how an error becomes one message without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from search.cli.log_format import LogFormat, set_up_logging
from search.cli.output import print_error
from search.cli.steps import shown_steps

DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 3


def fail(message: str, status: int) -> NoReturn:
    """Prints the message and ends the program with this exit status."""
    print_error(message)
    raise typer.Exit(status)


@contextmanager
def input_errors(log_format: LogFormat = "text") -> Iterator[None]:
    """Shows what is being done, and reports wrong input as one message with exit status 2.

    Args:
        log_format: of the log lines; in JSON the steps are log lines too.
    """
    set_up_logging(log_format)
    try:
        with shown_steps(show=None if log_format == "text" else lambda _: None):
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

"""The format of log lines: text for people, or one JSON object per line for programs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal

from evaluators.steps import STEPS
from search.cli.output import is_quiet, messages

LogFormat = Literal["text", "json"]

CLOCK = "%Y-%m-%d %H:%M:%S"
PACKAGES = ("search", "workers", "evaluators")


class TextFormatter(logging.Formatter):
    """One line for a person: the module that says it matters only if it is not ours."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s", CLOCK)  # the format says that the time is needed

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """The record as time, level and message."""
        package = record.name.partition(".")[0]
        who = "" if package in PACKAGES else f" ({package})"
        return f"{record.asctime} {record.levelname.lower()}{who}: {record.message}"


class JsonFormatter(logging.Formatter):
    """One JSON object per log record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a JSON object."""
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)


class _Messages:
    """The console of the progress as a stream: it puts log lines above the progress."""

    def write(self, text: str) -> None:
        messages().print(text, end="", soft_wrap=True, markup=False)

    def flush(self) -> None:
        """Nothing is kept back."""


def set_up_logging(log_format: LogFormat) -> None:
    """Sends log lines to standard error; JSON includes the events that people see as progress."""
    is_shared = log_format == "text" and not is_quiet()
    handler = logging.StreamHandler(_Messages() if is_shared else None)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    level = logging.ERROR if is_quiet() else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for package in PACKAGES if log_format == "json" and not is_quiet() else ():
        logging.getLogger(package).setLevel(logging.INFO)
    STEPS.setLevel(logging.INFO)
    STEPS.propagate = log_format == "json" and not is_quiet()

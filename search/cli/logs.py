"""How log lines look: for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

TEXT = "%(asctime)s %(levelname).1s %(name)s  %(message)s"
ROOMS = ("search", "workers", "evaluators")


class JsonLines(logging.Formatter):
    """One event a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The event as a JSON object."""
        event = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)


def set_up(log_format: LogFormat = "text") -> None:
    """Sends log lines to standard error; as JSON also the events that people see as progress."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if log_format == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for room in ROOMS if log_format == "json" else ():
        logging.getLogger(room).setLevel(logging.INFO)

"""What a slow call is doing, told as log records: whoever shows them need not be passed down."""

from __future__ import annotations

import logging

STEPS = logging.getLogger(__name__)
"""Its records are the steps, for people to read."""


def begin_step(what: str) -> None:
    """Says what begins now and may take seconds, for example `loading tasks`."""
    STEPS.info("%s", what)

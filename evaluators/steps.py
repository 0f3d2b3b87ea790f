"""What a slow call is doing, told as log records: whoever shows them need not be passed down."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from typing import TypeVar

T = TypeVar("T")

STEPS = logging.getLogger(__name__)
"""Its records are the steps, for people to read."""


def begin_step(what: str) -> None:
    """Says what begins now and may take seconds, for example `loading tasks`."""
    STEPS.info("%s", what)


def counted_steps(what: str, items: Collection[T]) -> Iterator[T]:
    """The items one by one; before each it says which one it is: `reading model 2 of 4`."""
    for number, item in enumerate(items, start=1):
        begin_step(f"{what} {number} of {len(items)}")
        yield item

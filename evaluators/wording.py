"""Counts and reasons in messages."""

from __future__ import annotations


def counted(count: float, noun: str) -> str:
    """A count with its noun, which has an s unless the count is 1.

    >>> counted(1, "hour"), counted(0, "hour"), counted(1.5, "hour")
    ('1 hour', '0 hours', '1.5 hours')
    """
    number = f"{count:g}" if isinstance(count, float) else count
    return f"{number} {noun}{'' if count == 1 else 's'}"


def and_others(count: int) -> str:
    """How many others there are, to follow the first of them; nothing if there are none.

    >>> "a" + and_others(2), "a" + and_others(0)
    ('a and 2 others', 'a')
    """
    return f" and {counted(count, 'other')}" if count else ""


def first_line(error: BaseException) -> str:
    r"""The first line of an error's text, or its type if it has no text.

    >>> first_line(ValueError("no such file\nmore")), first_line(KeyboardInterrupt())
    ('no such file', 'KeyboardInterrupt')
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

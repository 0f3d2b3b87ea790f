"""Time spans in words."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time span in hours, minutes and seconds.

    >>> duration(75), duration(3700)
    ('1m 15s', '1h 01m')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"

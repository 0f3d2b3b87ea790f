"""A series as one line of bars."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """At most `width` bars from 0 to the largest value; each shows the last value of its share.

    >>> sparkline([0, 1, 2, 7], 4), sparkline([1] * 100, 3), sparkline([], 5)
    ('▁▂▃█', '███', '')
    """
    count = min(width, len(values))
    shown = [values[(i + 1) * len(values) // count - 1] for i in range(count)]
    most = max(shown, default=0)
    if most <= 0:
        return BARS[0] * count
    return "".join(BARS[round(max(value, 0) / most * (len(BARS) - 1))] for value in shown)

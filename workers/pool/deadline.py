"""When a candidate counts as hung."""

from __future__ import annotations

import statistics
from collections import deque

from workers.candidate import State

LEAST = 60.0  # seconds; below that nothing is hung, whatever the median
FACTOR = 10.0
ENOUGH = 5  # outcomes that a median is taken of


class Clockwork:
    """Learns from how long candidates take.

    Args:
        fixed: a deadline in seconds instead.
    """

    def __init__(self, fixed: float | None = None) -> None:
        self._fixed = fixed
        self._seconds: deque[float] = deque(maxlen=101)

    def took(self, seconds: float, state: State = "scored") -> None:
        """A candidate came back after so long; what was given up early tells nothing."""
        if state == "scored":
            self._seconds.append(seconds)

    @property
    def deadline(self) -> float:
        """Seconds that a candidate may take; without limit until enough have come back."""
        if self._fixed is not None:
            return self._fixed
        if len(self._seconds) < ENOUGH:
            return float("inf")
        return max(LEAST, FACTOR * statistics.median(self._seconds))

    def say(self, seconds: float) -> str:
        """What to say of a candidate that took too long."""
        usual = f"; the median is {statistics.median(self._seconds):.0f} s" if self._seconds else ""
        return f"no answer after {seconds:.0f} s{usual}"

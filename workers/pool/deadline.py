"""The time after which a candidate counts as hung."""

from __future__ import annotations

import statistics
from collections import deque

from workers.candidate import State

MINIMUM = 60.0  # seconds; no candidate counts as hung earlier, whatever the median
FACTOR = 10.0
MIN_OUTCOMES = 5  # needed for a median


class Deadline:
    """A multiple of the median evaluation time.

    Args:
        fixed: seconds to use instead.
    """

    def __init__(self, fixed: float | None = None) -> None:
        self._fixed = fixed
        self._times: deque[float] = deque(maxlen=101)

    def record(self, seconds: float, state: State = "scored") -> None:
        """Adds the time of an evaluation; only complete ones count, as others end early."""
        if state == "scored":
            self._times.append(seconds)

    @property
    def seconds(self) -> float:
        """Allowed for one candidate; infinite until enough outcomes are recorded."""
        if self._fixed is not None:
            return self._fixed
        if len(self._times) < MIN_OUTCOMES:
            return float("inf")
        return max(MINIMUM, FACTOR * statistics.median(self._times))

    def error(self, seconds: float) -> str:
        """The message about a candidate that took longer."""
        median = f"; the median is {statistics.median(self._times):.0f} s" if self._times else ""
        return f"no answer after {seconds:.0f} s{median}"

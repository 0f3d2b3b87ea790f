"""Asynchronous workers, simulated: which candidate is finished when."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator


def finished(
    workers: int, count: int, begin: Callable[[], int], duration: Callable[[int], float]
) -> Iterator[int]:
    """The numbers of the candidates in the order in which they are finished.

    A candidate is begun as soon as a worker is free, when the caller has taken in all that were
    finished before: so what `begin` proposes depends on nothing that is still under way.

    Args:
        count: of candidates.
        begin: proposes the next candidate; its number.
        duration: of a candidate, in seconds; 0 if it needs no worker.

    >>> numbers, seconds = iter(range(4)), [3.0, 1.0, 1.0, 5.0]
    >>> list(finished(2, 4, numbers.__next__, seconds.__getitem__))
    [1, 2, 0, 3]
    """
    under_way: list[tuple[float, int]] = []
    now, begun = 0.0, 0
    while begun < count or under_way:
        while len(under_way) < workers and begun < count:
            number = begin()
            begun += 1
            heapq.heappush(under_way, (now + duration(number), number))
        now, number = heapq.heappop(under_way)
        yield number

"""A pool within this process, for tests and for debugging a worker without Ray."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from workers.candidate import Candidate, Outcome


class InProcessPool:
    """Evaluates one candidate per call of `wait`.

    Args:
        evaluate: evaluates a candidate, for example `Worker.evaluate`.
        workers: how many candidates may be queued; they run one after another.
    """

    def __init__(self, evaluate: Callable[[Candidate], Outcome], workers: int = 1) -> None:
        self._evaluate = evaluate
        self._queue: deque[Candidate] = deque()
        self.workers = workers

    @property
    def free(self) -> int:
        return self.workers - len(self._queue)

    @property
    def report(self) -> dict[str, Any]:
        return {
            "workers": self.workers,
            "starting": 0,
            "busy": len(self._queue),
            "preparing": "",
            "states": [
                {"name": "this process", "stage": "busy", "trial": each.trial, "seconds": 0.0}
                for each in self._queue
            ],
            "troubles": [],
        }

    def submit(self, candidate: Candidate) -> None:
        self._queue.append(candidate)

    def wait(self, seconds: float) -> list[Outcome]:  # noqa: ARG002 - it never waits
        return [self._evaluate(self._queue.popleft())] if self._queue else []

    def close(self) -> None:
        self._queue.clear()

"""What Prometheus sees of a pool, through Ray's metrics; docs/grafana.json draws it."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

from workers.candidate import Outcome

SECONDS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000]


class Metrics:
    """The figures of one run; every one carries the run's name."""

    def __init__(self, run: str) -> None:
        tags = {"run": run}
        keys = ("run",)
        self._trials = Counter(
            "mergefront_trials_total",
            "Outcomes, those of candidates given up included",
            ("run", "state"),
        )
        self._seconds = Histogram(
            "mergefront_seconds", "Seconds of a candidate by phase", SECONDS, ("run", "phase")
        )
        self._deaths = Counter("mergefront_deaths_total", "Workers that died", keys)
        self._workers = Gauge("mergefront_workers", "Workers that are ready", keys)
        self._busy = Gauge("mergefront_busy_share", "Share of ready workers at work", keys)
        self._queue = Gauge("mergefront_queue", "Candidates that wait for a worker", keys)
        for each in (
            self._trials,
            self._seconds,
            self._deaths,
            self._workers,
            self._busy,
            self._queue,
        ):
            each.set_default_tags(tags)

    def outcome(self, outcome: Outcome) -> None:
        """A candidate came back, or was given up."""
        self._trials.inc(tags={"state": outcome.state})
        for phase, seconds in outcome.seconds.items():
            self._seconds.observe(seconds, tags={"phase": phase})

    def death(self) -> None:
        """A worker died."""
        self._deaths.inc()

    def state(self, ready: int, busy: int, queue: int) -> None:
        """How it is at this moment."""
        self._workers.set(ready)
        self._busy.set(busy / ready if ready else 0.0)
        self._queue.set(queue)

"""A pool's Prometheus metrics, exported by Ray; docs/grafana.json is a dashboard of them."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

from workers.candidate import Outcome

BUCKETS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000]


class Metrics:
    """The metrics of one run, all tagged with its name."""

    def __init__(self, run: str) -> None:
        tags = {"run": run}
        keys = ("run",)
        self._trials = Counter(
            "mergefront_trials_total",
            "Outcomes, including failed candidates",
            ("run", "state"),
        )
        self._seconds = Histogram(
            "mergefront_seconds", "Seconds of a candidate by phase", BUCKETS, ("run", "phase")
        )
        self._deaths = Counter("mergefront_deaths_total", "Workers that died", keys)
        self._workers = Gauge("mergefront_workers", "Workers that are ready", keys)
        self._busy = Gauge("mergefront_busy_share", "Share of ready workers that are busy", keys)
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
        """Counts an outcome and its times."""
        self._trials.inc(tags={"state": outcome.state})
        for phase, seconds in outcome.seconds.items():
            self._seconds.observe(seconds, tags={"phase": phase})

    def death(self) -> None:
        """Counts a worker that died."""
        self._deaths.inc()

    def state(self, ready: int, busy: int, queue: int) -> None:
        """Sets the current numbers."""
        self._workers.set(ready)
        self._busy.set(busy / ready if ready else 0.0)
        self._queue.set(queue)

"""What a search costs beside its evaluations: scripts/bench driver.

The workers sleep instead of merging, and answer from a formula; everything else is real: sampler,
driver, ledger on disk, and with --ray the actors. Afterwards the run is read as `status`, `front`
and `resume` read it.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from evaluators.scores import SCHEMA
from search.driver import Budget, Driver, baselines
from search.ledger import Ledger
from search.objectives import Objective
from search.runs import results_of, status_of
from search.samplers import Auto, Study
from search.space import Space, SpaceSettings
from workers.candidate import Candidate, Outcome
from workers.pool import PoolSettings
from workers.recipe import Source

OBJECTIVES = [
    Objective.of("first", "t", "acc,none", "maximize"),
    Objective.of("second", "u", "acc,none", "maximize"),
]
STEP = 500  # trials between two lines
Mark = tuple[int, float, float]  # finished trials, seconds of processor, seconds of clock
ROWS = 600  # document scores of a trial


def documents() -> pa.Table:
    """The document scores of one trial, as many as a small suite has."""
    chance = random.Random(0)
    columns: list[list[Any]] = [
        ["t"] * ROWS,
        list(range(ROWS)),
        [f"{chance.getrandbits(256):064x}" for _ in range(ROWS)],
        [f"{chance.getrandbits(256):064x}" for _ in range(ROWS)],
        ["acc"] * ROWS,
        ["none"] * ROWS,
        [chance.random() for _ in range(ROWS)],
        [None] * ROWS,
    ]
    return pa.table(columns, schema=SCHEMA)


DOCUMENTS = documents()


def answer(candidate: Candidate, seconds: float) -> Outcome:
    """The outcome of a candidate: two objectives whose best weights are opposite."""
    weights = [
        weight
        for group in candidate.recipe.groups
        for weight in dict(group.parameters.get("weight", {"": 0.5})).values()
    ]
    first, second = (-statistics.fmean((w - best) ** 2 for w in weights) for best in (1.0, 0.2))
    values = {"t": {"acc,none": first}, "u": {"acc,none": second}}
    return Outcome(candidate.trial, "scored", values, DOCUMENTS, seconds={"score": seconds})


def duration(trial: int, mean: float) -> float:
    """Evaluations differ in length: by a fifth either way."""
    return mean * random.Random(trial).uniform(0.8, 1.2)


class SleepingPool:
    """A pool without processes: a worker is the time at which it will be done."""

    def __init__(self, workers: int, seconds: float) -> None:
        self.workers = workers
        self._seconds = seconds
        self._due: list[tuple[float, int, Candidate]] = []
        self.busy = 0.0

    @property
    def free(self) -> int:
        return self.workers - len(self._due)

    @property
    def report(self) -> dict[str, Any]:
        return {
            "workers": self.workers,
            "starting": 0,
            "busy": len(self._due),
            "preparing": "",
            "troubles": [],
        }

    def submit(self, candidate: Candidate) -> None:
        spent = duration(candidate.trial, self._seconds)
        self.busy += spent
        heapq.heappush(self._due, (time.monotonic() + spent, candidate.trial, candidate))

    def wait(self, seconds: float) -> list[Outcome]:
        until = min(self._due[0][0] if self._due else float("inf"), time.monotonic() + seconds)
        time.sleep(max(0.0, until - time.monotonic()))
        done = []
        while self._due and self._due[0][0] <= time.monotonic():
            _, trial, candidate = heapq.heappop(self._due)
            done.append(answer(candidate, duration(trial, self._seconds)))
        return done

    def close(self) -> None:
        self._due.clear()


class Sleeper:
    """The same worker as a Ray actor."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def ready(self) -> str:
        return str(os.getpid())

    def evaluate(self, candidate: Candidate) -> Outcome:
        spent = duration(candidate.trial, self._seconds)
        time.sleep(spent)
        return answer(candidate, spent)


def main() -> None:
    """Measures a search, then what it costs to read it."""
    parser = argparse.ArgumentParser(prog="scripts/bench driver", description=__doc__)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--params", type=int, default=300)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2.0, help="of an evaluation")
    parser.add_argument("--ray", action="store_true", help="real Ray actors")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        measure_search(given, run)
        measure_reading(given, run)


def make(given: argparse.Namespace, ledger: Ledger, pool: Any) -> Driver:
    """A search of as many parameters as asked for."""
    models = {f"m{i}": Source(f"/m{i}", fingerprint=f"{i:04}") for i in range(10)}
    base = Source("/base", fingerprint="base")
    groups = max(1, given.params // len(models))
    space = Space(("linear",), models, base, groups, SpaceSettings(depth={"groups": groups}), 0)
    directions = [each.direction for each in OBJECTIVES]
    return Driver(
        study=Study(Auto(), space.axes, directions, seed=0),
        pool=pool,
        ledger=ledger,
        recipe_of=space.recipe,
        baselines=baselines(space),
        objectives=OBJECTIVES,
        budget=Budget(trials=given.trials),
    )


def measure_search(given: argparse.Namespace, run: Path) -> None:
    """Busy share of the workers and cost of the driver, all told and by 500 trials."""
    described = {each.name: each.to_dict() for each in OBJECTIVES}
    budget = {"trials": given.trials}
    header = {"name": "bench", "objectives": described, "budget": budget, "inputs": {}}
    ledger = Ledger.create(run, header, "")
    pool = make_pool(given)
    with ledger.driving():
        driver = make(given, ledger, pool)
        params = len(driver.study._distributions)
        print(f"{given.trials} trials of {params} parameters, {given.workers} workers", flush=True)
        begun = marks = [(0, time.process_time(), time.monotonic())]

        def watch(driver: Driver) -> None:
            if len(driver.trials) // STEP >= len(marks):
                marks.append((len(driver.trials), time.process_time(), time.monotonic()))
                say(driver, given.workers, *marks[-2:])

        driver.watch = watch
        driver.run()
        ended = len(driver.trials), time.process_time(), time.monotonic()
        say(driver, given.workers, begun[0], ended)
    pool.close()


def say(driver: Driver, workers: int, before: Mark, now: Mark) -> None:
    """Prints the figures between two moments."""
    (first, cpu, wall), (last, cpu_now, wall_now) = before, now
    busy = sum(trial.seconds.get("score", 0.0) for trial in driver.trials[first:last])
    share = busy / (workers * (wall_now - wall))
    cost = 1000 * (cpu_now - cpu) / (last - first)
    print(f"  {first:5}-{last:5}: busy {share:.1%}   driver {cost:.1f} ms/trial", flush=True)


def make_pool(given: argparse.Namespace) -> Any:
    """Sleeping workers, all of them ready."""
    if not given.ray:
        return SleepingPool(given.workers, given.seconds)
    import ray  # noqa: PLC0415 - only then

    from workers.pool.ray_pool import RayPool  # noqa: PLC0415

    ray.init(address="local", num_cpus=given.workers, include_dashboard=False, log_to_driver=False)
    pool = RayPool(Sleeper, given.seconds, PoolSettings(cpus=1))
    while pool.free < given.workers:
        pool.wait(1.0)
    return pool


def measure_reading(given: argparse.Namespace, run: Path) -> None:
    """What commands wait for."""

    def timed(what: str, do: Any) -> Any:
        began = time.monotonic()
        found = do()
        print(f"{what}: {time.monotonic() - began:.1f} s")
        return found

    timed("status", lambda: status_of(Ledger(run)))
    timed("front", lambda: results_of(Ledger(run)).to_json("bench"))
    timed(
        "read all trials with their params",
        lambda: [dict(t.proposal.params or {}) for t in Ledger(run).trials()],
    )
    given.trials += 1
    ledger = Ledger(run)
    asked: list[float] = []

    class Stop(SleepingPool):
        def submit(self, candidate: Candidate) -> None:
            asked.append(time.monotonic())
            super().submit(candidate)

    began = time.monotonic()
    with ledger.driving():
        make(given, ledger, Stop(1, 0.0)).run()
    print(f"resume until the first new candidate: {asked[0] - began:.1f} s")


if __name__ == "__main__":
    main()

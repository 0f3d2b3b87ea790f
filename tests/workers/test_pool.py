"""Both pools against one contract, and the Ray pool against workers that die.

The workers here do no merging: what is tried is the pool alone. `tests/test_end_to_end.py` puts
real workers into it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import ray
from rich.console import Console

from search.cli.progress import ProgressDisplay
from search.results import RunResults
from search.runs import RunProgress, status_of
from tests.search import formula, test_stages
from tests.search.test_driver import make_driver
from workers.candidate import Candidate, Outcome
from workers.pool import InProcessPool, Pool, PoolError, PoolSettings, SetupError
from workers.pool.ray_pool import RayPool
from workers.recipe import Group, Recipe, Source

RECIPE = Recipe("linear", {"a": Source("/a")}, (Group({"weight": 1.0}),))
SETTINGS = PoolSettings(cpus=1, max=2, retries=2)


@dataclass(frozen=True)
class Orders:
    """What a test's worker is to do, and a folder where it leaves marks."""

    marks: Path
    deadly: tuple[int, ...] = ()
    dies_once: tuple[int, ...] = ()
    hangs: tuple[int, ...] = ()
    stillborn: Exception | None = None
    begins: float = 0.0
    seconds: float = 0.0


class MortalWorker:
    """Scores with its trial's number, and dies by kill -9 where it is told to."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        time.sleep(orders.begins)
        if orders.stillborn:
            raise orders.stillborn

    def ready(self) -> str:
        return str(os.getpid())

    def evaluate(self, candidate: Candidate) -> Outcome:
        mark = self.orders.marks / f"{candidate.trial}.{time.time_ns()}"
        mark.touch()
        tries = len(list(self.orders.marks.glob(f"{candidate.trial}.*")))
        first = candidate.trial in self.orders.dies_once and tries == 1
        if candidate.trial in self.orders.deadly or first:
            print(f"trial {candidate.trial} is too much for me", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600 if candidate.trial in self.orders.hangs else self.orders.seconds)
        return Outcome(candidate.trial, "scored", {"t": {"m,none": float(candidate.trial)}})


class HalfBadWorker(MortalWorker):
    """The first process is well, all others die of whatever they are given."""

    def evaluate(self, candidate: Candidate) -> Outcome:
        well = self.orders.marks / "well"
        if not well.exists() or well.read_text() == str(os.getpid()):
            well.write_text(str(os.getpid()))
            return super().evaluate(candidate)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class StagedWorker(MortalWorker):
    """Scores in stages, by a formula."""

    def evaluate(self, candidate: Candidate) -> Outcome:
        super().evaluate(candidate)
        return formula.evaluate(candidate)


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def on_ray(local_ray: None, tmp_path: Path) -> Iterator[Callable[..., RayPool]]:
    pools = []

    def make(
        settings: PoolSettings = SETTINGS, worker: type = MortalWorker, **orders: object
    ) -> RayPool:
        pools.append(RayPool(worker, Orders(tmp_path, **orders), settings))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def run_all(pool: Pool, numbers: list[int]) -> dict[int, Outcome]:
    """As a driver does: fill what is free, wait, take."""
    waiting, outcomes = list(numbers), {}
    deadline = time.monotonic() + 240
    while len(outcomes) < len(numbers):
        assert time.monotonic() < deadline, f"only {sorted(outcomes)} came back"
        while waiting and pool.free:
            pool.submit(Candidate(waiting.pop(0), RECIPE))
        for outcome in pool.wait(0.5):
            assert outcome.trial not in outcomes, "an outcome came twice"
            outcomes[outcome.trial] = outcome
    return outcomes


def check_contract(pool: Pool) -> None:
    outcomes = run_all(pool, list(range(7)))
    assert {n: each.values["t"]["m,none"] for n, each in outcomes.items()} == {
        n: float(n) for n in range(7)
    }
    deadline = time.monotonic() + 240
    while pool.free < pool.workers:  # a worker may still be starting, and has nothing to say
        assert time.monotonic() < deadline
        assert pool.wait(0.5) == []


def test_every_candidate_comes_back_once_from_this_process(tmp_path):
    check_contract(InProcessPool(MortalWorker(Orders(tmp_path)).evaluate, workers=2))


@pytest.mark.slow
def test_every_candidate_comes_back_once_from_ray(on_ray):
    pool = on_ray()
    assert pool.workers == 2
    check_contract(pool)


@pytest.mark.slow
def test_a_candidate_whose_worker_was_killed_is_tried_again_elsewhere(on_ray):
    outcomes = run_all(on_ray(dies_once=(1, 3)), list(range(5)))
    assert {each.state for each in outcomes.values()} == {"scored"}


@pytest.mark.slow
def test_a_candidate_that_kills_its_workers_fails_with_the_cause_and_the_others_go_on(on_ray):
    outcomes = run_all(on_ray(deadly=(2,)), list(range(5)))
    assert outcomes[2].state == "failed"
    assert "its worker died 3 times" in outcomes[2].cause
    assert "trial 2 is too much for me" in outcomes[2].cause  # the last lines of its log
    assert {outcomes[n].state for n in (0, 1, 3, 4)} == {"scored"}


@pytest.mark.slow
def test_a_candidate_that_hangs_is_given_up_and_counted_and_the_others_go_on(on_ray, monkeypatch):
    pool = on_ray(PoolSettings(cpus=1, max=2, retries=0, deadline=1.5), hangs=(1,))
    counted: list[Outcome] = []
    monkeypatch.setattr(pool._metrics, "outcome", counted.append)
    outcomes = run_all(pool, list(range(4)))
    assert {each.trial: each for each in counted} == outcomes
    assert outcomes[1].state == "failed"
    assert "no answer after" in outcomes[1].cause
    assert {outcomes[n].state for n in (0, 2, 3)} == {"scored"}


@pytest.mark.slow
def test_a_deadly_candidate_does_not_close_the_only_slot(on_ray):
    outcomes = run_all(on_ray(PoolSettings(cpus=2, max=1), deadly=(0,)), list(range(3)))
    assert [outcomes[number].state for number in range(3)] == ["failed", "scored", "scored"]


@pytest.mark.slow
def test_a_slot_that_kills_whatever_it_gets_is_closed_and_no_candidate_fails(on_ray):
    pool = on_ray(worker=HalfBadWorker, seconds=3.0)
    assert run_all(pool, [0])[0].state == "scored"
    for first in range(1, 100, 3):  # half a minute: the bad slot starts slowly, three times
        outcomes = run_all(pool, list(range(first, first + 3)))
        assert {each.state for each in outcomes.values()} == {"scored"}
        if any("has 1 closed slot" in each for each in pool.report["troubles"]):
            return
    raise AssertionError(pool.report["troubles"])


@pytest.mark.slow
def test_workers_that_cannot_begin_end_the_search_with_the_reason(on_ray):
    pool = on_ray(stillborn=OSError("no driver for this GPU"))
    with pytest.raises(PoolError, match="no driver for this GPU") as caught:
        run_all(pool, [0])
    assert not isinstance(caught.value, SetupError)
    assert "is closed: " in pool.report["troubles"][0]


@pytest.mark.slow
def test_workers_that_never_begin_are_given_up(on_ray):
    pool = on_ray(PoolSettings(cpus=2, start=1.0), begins=600.0)
    with pytest.raises(PoolError, match=r"has not started after \d+ s \(workers.start\)"):
        run_all(pool, [0])


@pytest.mark.slow
def test_workers_that_refuse_their_models_say_why_at_once_and_end_the_search(on_ray, tmp_path):
    """On a terminal, in plain lines, and in the run, where `status` reads it."""
    pool = on_ray(stillborn=ValueError("cannot be read:\n(1) or\nno model in [/nowhere]"))
    cause = "a worker could not start: cannot be read: … no model in [/nowhere]"
    driver = make_driver(tmp_path / "run")
    driver.pool = pool
    while not pool.report["troubles"]:
        pool.wait(0.5)
    assert pool.report["troubles"] == [cause]
    for is_terminal in (True, False):
        console = Console(file=StringIO(), force_terminal=is_terminal, width=200)
        display = ProgressDisplay(console, "runs/test")
        results = RunResults(driver.objectives, [])
        with display.shown():
            display.show(RunProgress("test", "running", results, driver.budget, report=pool.report))
        assert cause in console.file.getvalue()
    with driver.ledger.driving() as lease:
        lease.report(pool.report)
        lease._renew()
        assert status_of(driver.ledger)["troubles"] == [cause]
    with pytest.raises(SetupError, match=r"no worker can start: cannot be read:\n.*\nno model in "):
        run_all(pool, [0])


@pytest.mark.slow
def test_a_worker_larger_than_the_machine_is_refused_with_both_numbers(local_ray, tmp_path):
    with pytest.raises(PoolError, match="it needs 99 CPUs and 0 GPUs, Ray has 2 and 0 on 1 mach"):
        RayPool(MortalWorker, Orders(tmp_path), PoolSettings(cpus=99))


def test_rays_client_is_refused_with_what_to_do_instead():
    with pytest.raises(ValueError, match=r"does not run through Ray's client.*mergefront submit"):
        RayPool(MortalWorker, None, SETTINGS, "ray://head:10001")


@pytest.mark.slow
def test_workers_stop_the_same_candidates_even_if_one_dies_on_the_way(on_ray, tmp_path):
    here = test_stages.make_driver(tmp_path / "here")
    here.run()
    there = test_stages.make_driver(tmp_path / "there")
    last = max(trial.number for trial in here.trials if trial.state == "stopped")
    one = PoolSettings(cpus=1, max=1, retries=2)
    there.pool = on_ray(one, StagedWorker, dies_once=(last,))
    there.run()
    kept = ("number", "state", "scores", "estimates", "documents", "cause")
    found, expected = (
        [[getattr(trial, name) for name in kept] for trial in driver.trials]
        for driver in (there, here)
    )
    assert found == expected

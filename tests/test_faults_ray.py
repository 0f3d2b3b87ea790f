"""What a killed driver leaves behind on a real Ray: nothing. And what killed workers and machines
cost a search: time.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from search.driver import Budget, Driver, baselines
from search.ledger import Ledger
from search.objectives import Objective
from search.samplers import Auto, Study
from tests.search.conftest import make_space
from tests.workers.test_pool import MortalWorker, Orders
from workers.pool import PoolSettings
from workers.pool.ray_pool import RayPool

pytestmark = pytest.mark.slow

SPACE = make_space("linear", "ties")
OBJECTIVES = [Objective.of("number", "t", "m,none", "maximize")]
HEADER = {"name": "test", "objectives": {}, "budget": {"trials": 5}, "inputs": {}}

DRIVER = """
import sys, time
from pathlib import Path
from tests.workers.test_pool import MortalWorker, Orders
from workers.candidate import Candidate
from workers.pool import PoolSettings
from workers.pool.ray_pool import RayPool
from tests.workers.test_pool import RECIPE

pool = RayPool(MortalWorker, Orders(Path(sys.argv[1]), seconds=600), PoolSettings(cpus=1, max=2))
while pool.free < 1:
    pool.wait(0.5)
pool.submit(Candidate(0, RECIPE))
print(*[slot.process.pid for slot in pool._worker_set.slots if slot.process], flush=True)
pool.wait(600)
"""


def test_a_driver_that_is_killed_leaves_no_worker_behind(tmp_path):
    """And so no memory of a GPU is held, even while a worker is in the middle of a candidate."""
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", DRIVER, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as driver:
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        driver.kill()
    assert pids
    deadline = time.monotonic() + 60
    while left := [pid for pid in pids if _lives(pid)]:
        assert time.monotonic() < deadline, [psutil.Process(pid).cmdline() for pid in left]
        time.sleep(0.5)


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def machines() -> Iterator[Cluster]:
    found = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    ray.init(address=found.address, log_to_driver=False)
    found.add_node(num_cpus=1)
    yield found
    ray.shutdown()
    found.shutdown()


class Reaper:
    """Kills a worker, or a machine with all its workers, every now and then."""

    def __init__(self, machines: Cluster, kills: int, seed: int) -> None:
        self._machines = machines
        self._chance = random.Random(seed)
        self._seen = 0
        self.left = kills

    def __call__(self, driver: Driver) -> None:
        if self.left and len(driver.trials) > self._seen and self._chance.random() < 0.5:
            self.left -= 1
            if self._chance.random() < 0.3:
                self._kill_machine()
            else:
                self._kill_worker(driver.pool)
        self._seen = len(driver.trials)

    def _kill_machine(self) -> None:
        (node,) = self._machines.worker_nodes
        self._machines.remove_node(node, allow_graceful=False)
        self._machines.add_node(num_cpus=1)

    def _kill_worker(self, pool: RayPool) -> None:
        """One that has worked since it was last killed: else its slot would be closed, rightly."""
        innocent = [
            slot
            for slot in pool._worker_set.slots
            if slot.process and slot.stage in ("idle", "busy")
        ]
        victims = [slot for slot in innocent if not pool._health.is_suspect(slot.number, slot.node)]
        if victims and psutil.pid_exists(pid := self._chance.choice(victims).process.pid):
            os.kill(pid, signal.SIGKILL)


def check_kills(machines: Cluster, root: Path, trials: int, kills: int, seed: int) -> None:
    ledger = Ledger.create(root / "run", HEADER, "")
    orders = Orders(root, seconds=0.3)
    pool = RayPool(MortalWorker, orders, PoolSettings(cpus=1, retries=50), machines.address)
    reaper = Reaper(machines, kills, seed)
    with ledger.driving():
        driver = Driver(
            study=Study(Auto(), SPACE.axes, ["maximize"], seed=0),
            pool=pool,
            ledger=ledger,
            recipe_of=SPACE.recipe,
            baselines=baselines(SPACE),
            objectives=OBJECTIVES,
            budget=Budget(trials=trials),
            watch=reaper,
        )
        driver.run()
    pool.close()
    contents = ledger.contents()
    assert reaper.left < kills
    assert not contents.damage
    assert not contents.waiting
    assert [trial.order for trial in contents.trials] == list(range(trials))
    assert sorted(trial.number for trial in contents.trials) == list(range(trials))
    assert {trial.state for trial in contents.trials} <= {"scored", "duplicate"}
    assert all(t.scores["number"] == t.number for t in contents.trials if t.state == "scored")


def test_workers_and_machines_killed_at_random_moments_cost_a_search_nothing(machines, tmp_path):
    check_kills(machines, tmp_path, trials=20, kills=5, seed=3)


@pytest.mark.long
def test_forty_killed_workers_and_machines(machines, tmp_path):
    check_kills(machines, tmp_path, trials=120, kills=40, seed=4)

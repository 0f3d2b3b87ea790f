"""The Ray pool on machines that come and go: Ray's own imitation of a cluster on this one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from tests.workers.test_pool import RECIPE, MortalWorker, Orders, run_all
from workers.candidate import Candidate
from workers.pool import PoolError, PoolSettings
from workers.pool.ray_pool import RayPool

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    found = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    ray.init(address=found.address, log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.fixture
def make_pool(machines: Cluster, tmp_path: Path) -> Iterator[Callable[..., RayPool]]:
    pools = []

    def make(settings: PoolSettings, **orders: object) -> RayPool:
        orders = Orders(tmp_path, **orders)
        pools.append(RayPool(MortalWorker, orders, settings, machines.address))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def until(condition: Callable[[], bool], pool: RayPool, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, pool.report
        pool.wait(0.2)


def ready(pool: RayPool) -> int:
    return pool.workers - pool.report["starting"]


def test_a_pool_grows_with_the_machines_and_loses_no_candidate_when_one_is_killed(
    machines, make_pool
):
    pool = make_pool(PoolSettings(cpus=1, retries=2), seconds=0.5)
    assert pool.workers == 1
    joined = machines.add_node(num_cpus=1)
    until(lambda: ready(pool) == 2, pool)
    for number in (0, 1):
        pool.submit(Candidate(number, RECIPE))
    machines.remove_node(joined, allow_graceful=False)
    first = {outcome.trial: outcome for outcome in pool.wait(0.1)}
    deadline = time.monotonic() + 90
    while len(first) < 2:
        assert time.monotonic() < deadline
        first |= {outcome.trial: outcome for outcome in pool.wait(0.5)}
    rest = run_all(pool, [2, 3])
    assert {each.state for each in (first | rest).values()} == {"scored"}
    until(lambda: pool.workers == 1, pool)


def test_a_cluster_is_asked_for_the_workers_that_do_not_fit_yet(machines, make_pool):
    pool = make_pool(PoolSettings(cpus=1, max=3))
    until(lambda: ready(pool) == 1, pool)
    report = pool.report
    assert sorted(each["stage"] for each in report.pop("states")) == ["idle", "placing", "placing"]
    expected = {"workers": 3, "starting": 2, "busy": 0, "preparing": "", "troubles": []}
    assert report == expected
    assert {each.state for each in run_all(pool, [0, 1]).values()} == {"scored"}


def test_a_cluster_without_gpus_so_far_is_warned_of_unless_the_config_says_how_many(
    machines, make_pool, caplog
):
    make_pool(PoolSettings(cpus=1, gpus=0))
    assert not caplog.messages
    make_pool(PoolSettings(cpus=1))
    assert "set workers.gpus" in caplog.text


def test_a_cluster_without_room_is_told_how_to_wait_for_it(machines, make_pool):
    with pytest.raises(PoolError, match=r"it needs 99 CPUs .* or set workers.max to wait"):
        make_pool(PoolSettings(cpus=99))


def test_no_more_workers_than_allowed_share_a_machine(machines, make_pool):
    joined = machines.add_node(num_cpus=3)
    try:
        pool = make_pool(PoolSettings(cpus=1, per_node=1))
        until(lambda: ready(pool) == 2, pool)
        nodes = [slot.node for slot in pool._worker_set.slots]
        assert len(set(nodes)) == 2
    finally:
        machines.remove_node(joined)

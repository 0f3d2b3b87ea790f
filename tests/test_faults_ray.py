"""What a killed driver leaves behind on a real Ray: nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

DRIVER = """
import sys, time
from pathlib import Path
from tests.workers.test_pool import MortalWorker, Orders
from workers.candidate import Candidate
from workers.pool import PoolSettings
from workers.pool.on_ray import RayPool
from tests.workers.test_pool import RECIPE

pool = RayPool(MortalWorker, Orders(Path(sys.argv[1]), seconds=600), PoolSettings(cpus=1, max=2))
while pool.free < 1:
    pool.wait(0.5)
pool.submit(Candidate(0, RECIPE))
print(*[slot.place.pid for slot in pool._slots if slot.place], flush=True)
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

"""A Ray of a test's own, as the service starts it: its jobs join no other Ray of the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START = """
import sys
from pathlib import Path
from workers.pool.head import local_head
print(local_head(Path(sys.argv[1])))
"""
OTHER = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
print("started", flush=True)
input()
cluster.shutdown()
"""
CODE = Path(__file__).parent.parent


@contextmanager
def local_ray(folder: Path, **environment: str) -> Iterator[str]:
    """The URL of the dashboard of a Ray with a record in `folder`; it ends with the block.

    It is started in a process of its own, since Ray reads its protection when it is imported.
    """
    started = subprocess.run(
        [sys.executable, "-c", START, str(folder)],
        cwd=CODE,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    try:
        yield started.stdout.strip()
    finally:
        end_ray(folder)


@contextmanager
def other_ray() -> Iterator[None]:
    """Another Ray in the directory that all share, as other people of the machine start it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", OTHER], **pipes) as other:
        try:
            assert other.stdout.readline() == "started\n"
            yield
        finally:
            other.communicate("\n")


def end_ray(folder: Path) -> None:
    """Ends the Ray with a record in `folder`, if there is one."""
    record = folder / "ray.json"
    if not record.exists():
        return
    os.kill(pid := json.loads(record.read_text())["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 60
    while not _is_dead(pid):
        assert time.monotonic() < deadline, f"process {pid}, `ray start`, does not end"
        time.sleep(0.2)


def _is_dead(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True

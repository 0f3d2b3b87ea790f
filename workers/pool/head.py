"""A Ray of this machine's own, which outlives the process that has started it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workers.new_path import write_whole
from workers.pool.jobs import JobError, Jobs

START = 120.0  # seconds within which Ray must have started
PERIOD = 1.0  # seconds between two questions whether it has
RECORD, LOG = "ray.json", "ray.log"


class HeadError(ValueError):
    """No Ray can be started on this machine."""


def local_head(folder: Path) -> str:
    """The URL of the dashboard of this machine's Ray, which is started if it does not run.

    Its URL and the id of the process whose end ends it are recorded in `ray.json`.

    Args:
        folder: of the record and of Ray's output.

    Raises:
        HeadError: if it cannot be started.
    """
    record = folder / RECORD
    try:
        known = str(json.loads(record.read_text(encoding="utf-8"))["dashboard"])
    except (OSError, ValueError, KeyError, TypeError):  # never started
        known = ""
    if known and _answers(known):
        return known
    folder.mkdir(parents=True, exist_ok=True)
    # a job joins the Ray that was last started in the same directory, by default everyone's in
    # /tmp/ray; the path must be short, for Ray has its sockets there
    own = tempfile.mkdtemp(prefix="mergefront-ray-", dir="/tmp")
    with (folder / LOG).open("w") as log:
        head = subprocess.Popen(
            _command(dashboard := _free_port(), own),
            env={**os.environ, "PATH": f"{_bin()}:{os.environ.get('PATH', '')}"},  # jobs: `python`
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # no signal of this process's terminal reaches it
        )
    url = f"http://127.0.0.1:{dashboard}"
    deadline = time.monotonic() + START
    while not _answers(url):
        if head.poll() is not None or time.monotonic() > deadline:
            head.terminate()
            shutil.rmtree(own, ignore_errors=True)
            raise HeadError(f"Ray does not start on this machine; {folder / LOG} says why")
        time.sleep(PERIOD)
    write_whole(record, json.dumps({"dashboard": url, "pid": head.pid}).encode())
    return url


def _answers(dashboard: str) -> bool:
    try:
        Jobs(dashboard).jobs()
    except JobError:
        return False
    return True


def _command(dashboard: int, temporary: str) -> list[str]:
    return [
        *(str(_bin() / "ray"), "start", "--head", "--block", "--disable-usage-stats"),
        f"--port={_free_port()}",
        f"--ray-client-server-port={_free_port()}",
        f"--dashboard-port={dashboard}",
        f"--temp-dir={temporary}",
        "--dashboard-host=127.0.0.1",
        "--dashboard-agent-listen-port=0",
        "--node-ip-address=127.0.0.1",
        "--include-dashboard=true",
    ]


def _bin() -> Path:
    return Path(sys.executable).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

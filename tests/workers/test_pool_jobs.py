"""What is said of a head that answers oddly; `tests/test_launch.py` has a real one."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.local_ray import local_ray
from workers.pool.jobs import JobError, Jobs

PACKAGE = Path(__file__).parent.parent.parent / "evaluators"
VERSION = {"version": "4", "ray_version": "2.40.0", "ray_commit": "", "session_name": "s"}
BROKEN = "Traceback (most recent call last):\n  File ...\nKeyError: 'head is confused'"
RUNNING = {
    "type": "SUBMISSION",
    "submission_id": "far",
    "status": "RUNNING",
    "entrypoint": "python",
    "metadata": {"mergefront": "/shared/ann/far"},
}


class Head(ThreadingHTTPServer):
    """Answers as a head does whose jobs are these; with an error if there are none to tell of."""

    jobs: list[dict[str, object]] | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str] = []


class Answers(BaseHTTPRequestHandler):
    server: Head

    def _answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.path == "/api/version":
            self._send(200, json.dumps(VERSION))
        elif self.path == "/api/jobs/" and self.server.jobs is not None:
            self._send(200, json.dumps(self.server.jobs))
        else:
            self._send(500, BROKEN)

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names are http.server's

    def log_message(self, *_: object) -> None:
        """Nothing: the tests say what is wrong."""


@pytest.fixture
def head() -> Iterator[Head]:
    with Head() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture
def jobs(head: Head) -> Jobs:
    return Jobs(f"http://127.0.0.1:{head.server_port}")


def submit(jobs: Jobs, folder: Path, run: str) -> None:
    jobs.submit("far", "python", folder=folder, packages=[], run=run)


ASKS: dict[str, Callable[[Jobs, Path], object]] = {
    "jobs": lambda jobs, _: jobs.jobs(),
    "logs": lambda jobs, _: jobs.logs("far"),
    "follow": lambda jobs, _: list(jobs.follow("far")),
    "stop": lambda jobs, _: jobs.stop("far"),
    "submit": lambda jobs, folder: submit(jobs, folder, "/shared/ann/far"),
}


def check_one_line(ask: str, jobs: Jobs, folder: Path) -> None:
    with pytest.raises(JobError, match=r"status code 500: Traceback .* … KeyError: .*") as caught:
        ASKS[ask](jobs, folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ask", ASKS)
def test_a_head_that_tells_of_no_jobs_is_named_in_one_line(jobs: Jobs, ask: str, tmp_path: Path):
    check_one_line(ask, jobs, tmp_path)


@pytest.mark.parametrize(
    ("ask", "status"), [("logs", "RUNNING"), ("stop", "RUNNING"), ("submit", "FAILED")]
)
def test_a_head_that_fails_later_is_named_in_one_line(
    head: Head, jobs: Jobs, ask: str, status: str, tmp_path: Path
):
    head.jobs = [{**RUNNING, "status": status}]
    check_one_line(ask, jobs, tmp_path)


def test_nobody_at_the_address_is_told_of_in_one_line(head: Head, jobs: Jobs):
    head.shutdown()
    head.server_close()
    with pytest.raises(JobError, match="no Ray dashboard answers") as caught:
        jobs.jobs()
    assert "\n" not in str(caught.value)


def test_a_job_that_runs_is_left_alone(head: Head, jobs: Jobs, tmp_path: Path):
    head.jobs = [RUNNING]
    with pytest.raises(JobError, match="job far is RUNNING; `mergefront stop far` ends it"):
        submit(jobs, tmp_path, "/shared/ann/far")


@pytest.mark.parametrize("status", ["RUNNING", "STOPPED"])
def test_a_job_of_another_run_with_the_same_last_part_is_left_alone(
    head: Head, jobs: Jobs, tmp_path: Path, status: str
):
    head.jobs = [{**RUNNING, "status": status}]
    with pytest.raises(JobError, match=r"another run: /shared/ann/far, not /shared/bob/far; "):
        submit(jobs, tmp_path, "/shared/bob/far")
    assert not any(each.startswith("DELETE") for each in head.asked)


SLOW_TO_STOP = """
import signal, sys, time
def stop(*_):
    time.sleep(6)
    print("all is kept", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
print("at work", flush=True)
while True:
    time.sleep(0.1)
"""


@pytest.mark.slow
def test_a_job_that_is_stopped_has_the_time_to_keep_what_comes_back(tmp_path):
    (tmp_path / "job.py").write_text(SLOW_TO_STOP)
    with local_ray(tmp_path / "ray", RAY_AUTH_MODE="disabled") as url:
        jobs = Jobs(url)
        command = f"{sys.executable} job.py"
        jobs.submit("far", command, folder=tmp_path, packages=[PACKAGE], run="/far")
        deadline = time.monotonic() + 90
        while "at work" not in jobs.logs("far"):
            assert time.monotonic() < deadline, jobs.job("far")
            time.sleep(0.5)
        jobs.stop("far")
        said = jobs.logs("far")
    assert "all is kept" in said

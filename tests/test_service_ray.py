"""The service as a team uses it: a real server, a real Ray, and the command line from afar."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.service import Client
from tests.local_ray import end_ray, other_ray
from tests.search.conftest import config, world, write  # noqa: F401 - fixtures
from tests.test_launch import talking  # noqa: F401 - a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(450)]
OVER = ("finished", "failed", "stopped")
CODE = Path(__file__).parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def root(tmp_path) -> Iterator[Path]:
    """The root of a service; its Ray is ended with it."""
    folder = tmp_path / "root"
    yield folder
    end_ray(folder / "ray")


def until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.5)
    return found


def mergefront(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "search", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=CODE, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def serve(root) -> Iterator[Callable[[Path, int], subprocess.Popen]]:
    """Starts the service; whatever still runs is ended after the test."""
    processes: list[subprocess.Popen] = []

    def start(data: Path, port: int) -> subprocess.Popen:
        command = [sys.executable, "-m", "search", "serve", "--root", root, "--data", data]
        process = subprocess.Popen([*map(str, command), "--port", str(port)], cwd=CODE)
        processes.append(process)
        until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def stranger() -> Iterator[Callable[[], None]]:
    """Starts another Ray on this machine, which no search of the service may join."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(other_ray())


@pytest.fixture
def talk() -> Iterator[Callable[[Client], Client]]:
    """Closes clients, also after a test that has failed."""
    with ExitStack() as stack:
        yield stack.enter_context


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_search_outlives_its_service_and_is_stopped_resumed_and_exported_from_afar(
    serve, root, talking, tmp_path, stranger, talk
):
    port = free_port()
    url, name = f"http://127.0.0.1:{port}", ("demo", "--server", f"http://127.0.0.1:{port}")
    made = mergefront("token", "create", "test", "--role", "run", "--root", root)
    token = {"MERGEFRONT_TOKEN": made.stdout.strip()}
    settings = {"workers": {"cpus": 1, "max": 1}, "budget": {"trials": 300}}
    text = yaml.safe_dump({**talking, **settings, "sampler": {"type": "random"}})
    path = tmp_path / "config.yaml"
    path.write_text(text.replace(f"run: {tmp_path}/run", "run: runs/demo"))
    service = serve(tmp_path.parent, port)
    stranger()
    client = talk(Client(url, token["MERGEFRONT_TOKEN"]))

    said = mergefront("submit", path, "--server", url, **token)
    assert said.returncode == 0, said.stderr
    again = mergefront("submit", path, "--server", url, **token)
    assert again.returncode == 0, again.stderr  # one search, not two
    assert [each["name"] for each in client.searches()] == ["demo"]

    done = until(lambda: client.status("demo")["trials"]["scored"])
    service.kill()
    service.wait()
    service = serve(tmp_path.parent, port)
    until(lambda: client.status("demo")["trials"]["scored"] > done)

    assert mergefront("resume", *name, **token).returncode == 2  # it runs
    assert mergefront("stop", *name, **token).returncode == 0
    until(lambda: client.status("demo")["state"] == "stopped")
    kept = client.status("demo")["budget"]["spent"]
    assert client.status("demo")["job"]["status"] == "STOPPED"

    said = mergefront("resume", *name, "--trials", kept + 2, **token)
    assert said.returncode == 0, said.stderr
    last = next(each for each in client.events("demo") if each["state"] in OVER)
    assert (last["state"], last["budget"]["spent"]) == ("finished", kept + 2), last

    shown = mergefront("front", *name, **token)
    assert "Pareto front" in shown.stdout
    client.ask_verdict("demo")
    options = ("--pick", "best:text", "--verify", "--max-shard-size", "20KB")
    said = mergefront("export", "demo", "best", "--server", url, *options, **token)
    assert said.returncode == 0, said.stderr
    model = root / "exports" / "demo" / "best"
    assert str(model) in said.stdout
    assert "Loaded again, it scores" in said.stdout
    assert len(list(model.glob("*.safetensors"))) > 1
    from transformers import AutoModelForCausalLM

    assert AutoModelForCausalLM.from_pretrained(model).num_parameters() > 0
    again = mergefront("export", "demo", "best", "--server", url, **token)
    assert (again.returncode, "has an export best already" in again.stderr) == (2, True)

    task = client.finished_verdict("demo")
    assert task["state"] == "done", task
    judged = client.verdict("demo")["trial"]
    assert client.recipe("demo")["trial"] == client.front("demo", pick="knee")["pick"] == judged

    service.terminate()
    assert service.wait(30) in (0, -signal.SIGTERM)

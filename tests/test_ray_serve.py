"""The service as replicas of Ray Serve: deployed by Ray's own command on a real local Ray."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from search.ledger import Ledger
from search.service import Client, Tokens
from tests.local_ray import local_ray
from tests.search.conftest import config, world  # noqa: F401 - fixtures
from tests.test_launch import talking  # noqa: F401 - a fixture
from tests.test_service_ray import answers, free_port, talk, until  # noqa: F401 - a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CONFIG = Path(__file__).parent.parent / "configs" / "cluster" / "serve.yaml"
TOKEN = secrets.token_hex(32)


@pytest.fixture
def dashboard(tmp_path) -> Iterator[httpx2.Client]:
    """That of a Ray of the test's own, which has a token."""
    protection = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    with (
        local_ray(tmp_path / "ray", **protection) as url,
        httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client,
    ):
        yield client


def deploy(path: Path, dashboard: httpx2.Client) -> None:
    """Does it with Ray's command, as the docs say."""
    command = [Path(sys.executable).parent / "serve", "deploy", path, "-a", dashboard.base_url]
    done = subprocess.run(
        [str(each) for each in command],
        env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def written(path: Path, port: int, **args: Any) -> Path:
    """The config of the repository, for this machine."""
    content = yaml.safe_load(CONFIG.read_text())
    content["http_options"]["port"] = port
    (application,) = content["applications"]
    application["args"] = args
    application["deployments"][0]["ray_actor_options"] = {"num_cpus": 0}
    path.write_text(yaml.safe_dump(content))
    return path


def test_replicas_share_a_root_and_a_search_outlives_them(dashboard, talking, tmp_path, talk):
    root, url = tmp_path / "root", f"http://127.0.0.1:{(port := free_port())}"
    args = {"root": str(root), "data": [str(tmp_path.parent)]}
    deploy(written(tmp_path / "serve.yaml", port, **args), dashboard)
    running = until(lambda: (seen := application(dashboard))["status"] == "RUNNING" and seen)
    replicas = running["deployments"]["service"]["replicas"]
    assert [each["state"] for each in replicas] == ["RUNNING", "RUNNING"]

    assert httpx2.get(f"{url}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{url}/readyz").status_code == 200  # it has found its own cluster
    refused = httpx2.get(f"{url}/v1/searches")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    secret = Tokens(root / "tokens").create("test", "run")[1]
    header = {"Authorization": f"Bearer {secret}"}
    large = httpx2.post(f"{url}/v1/check", content=b"x" * 300_000, headers=header)
    assert large.status_code == 413

    client = talk(Client(url, secret))
    settings = {"workers": {"cpus": 1, "max": 1}, "budget": {"trials": 20}}
    content = {**talking, **settings, "name": "demo", "sampler": {"type": "random"}}
    client.submit(yaml.safe_dump({key: value for key, value in content.items() if key != "run"}))
    for _ in range(10):  # requests go to either
        assert [each["name"] for each in client.searches()] == ["demo"]
    scored = next(each for each in client.events("demo") if each["trials"]["scored"])
    assert scored["job"]["status"] == "RUNNING"

    dashboard.delete("/api/serve/applications/", timeout=60).raise_for_status()
    until(lambda: not answers(port))
    until(lambda: len(Ledger(root / "runs" / "demo").trials()) == 20)


def application(dashboard: httpx2.Client) -> dict[str, Any]:
    return dashboard.get("/api/serve/applications/").json()["applications"]["mergefront"]

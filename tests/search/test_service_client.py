"""The client and `--server`, on a service that listens in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
import uvicorn
import yaml
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from search.ledger import Ledger
from search.runs import results_of
from search.service import Client, ServiceError, ServiceUnavailableError
from search.service.app import create_app
from tests.search.conftest import begin_scored
from tests.search.service_caller import NO_CLUSTER, Caller, settings_of


@pytest.fixture(scope="module")
def service(world, tmp_path_factory):
    return settings_of(tmp_path_factory.mktemp("far"), world, rate=1e4)


@pytest.fixture(scope="module")
def content(world) -> dict:
    return {
        "base": str(world / "base"),
        "models": {name: str(world / name) for name in "abc"},
        "methods": ["linear"],
        "tasks": str(world / "tasks"),
        "objectives": {
            "picks": {"task": "pick", "metric": "acc"},
            "text": {"task": "text", "metric": "bits_per_byte"},
        },
        "budget": {"trials": 5},
    }


@pytest.fixture(scope="module")
def ledger(service, content, world) -> Ledger:
    path = world / "far.yaml"
    run = str(service.run("far"))
    path.write_text(yaml.safe_dump({**content, "name": "far", "run": run}))
    return begin_scored(make_plan(path), texts=(3.0, 3.1, 2.9, 3.0, 2.0))


@pytest.fixture(scope="module")
def token(service, ledger) -> str:
    return Caller.of(service).token


@pytest.fixture(scope="module")
def url(service, token) -> Iterator[str]:
    config = uvicorn.Config(create_app(service), port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def run(monkeypatch, url, token):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("MERGEFRONT_TOKEN", token)

    def call(*arguments: object, server: str = url):
        return CliRunner().invoke(app, [*map(str, arguments), "--server", server])

    return call


def test_results_from_afar_are_those_of_the_run(url, token, ledger):
    with Client(url, token) as client:
        results, own = client.results("far"), results_of(ledger)
        assert results.to_json("far") == own.to_json("far")
        assert client.front("far", pick="knee")["pick"] == own.pick("knee").number
        assert [each["name"] for each in client.searches()] == ["far"]
        assert [each["state"] for each in client.events("far")] == ["finished"]


def test_status_and_front_from_afar_are_printed_as_here(run, ledger):
    here = CliRunner().invoke(app, ["front", str(ledger.root)])
    assert run("front", "far").output == here.output
    assert json.loads(run("status", "far", "--json").output)["state"] == "finished"
    assert run("status", "far", "--follow").output.startswith("far: finished")


def test_a_refusal_is_one_message_with_every_error_and_exit_status_2(run, content, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**content, "metods": [], "seed": -1, "run": "runs/other"}))
    done = run("submit", path)
    assert done.exit_code == 2
    assert "the config has 2 errors" in done.output
    assert "metods: unknown key; did you mean 'methods'?" in done.output
    assert "seed: " in done.output
    assert run("status", "nothing").exit_code == run("stop", "nothing").exit_code == 2
    assert run("resume", "far").exit_code == run("export", "far", "../x").exit_code == 2


def test_a_service_that_is_away_gets_exit_status_1(run):
    done = run("status", "far", server=NO_CLUSTER)
    assert (done.exit_code, "no service answers" in done.output) == (1, True)
    assert run("export", "far", "x").exit_code == 1  # its cluster is away
    assert run("stop", "far").exit_code == 1  # and whether it runs is not known


def test_the_token_comes_from_the_environment(run, monkeypatch, url):
    assert run("status", "far", server="far").exit_code == 2  # no URL
    with Client(url, "wrong") as client, pytest.raises(ServiceError, match="unknown or was"):
        client.status("far")
    with Client(NO_CLUSTER, "wrong") as client, pytest.raises(ServiceUnavailableError):
        client.status("far")
    monkeypatch.delenv("MERGEFRONT_TOKEN")
    assert "set MERGEFRONT_TOKEN" in run("status", "far").output


def test_tokens_are_made_listed_and_revoked(tmp_path):
    def token_command(*arguments: str):
        return CliRunner().invoke(app, ["token", *arguments, "--root", str(tmp_path)])

    text = token_command("create", "ada", "--role", "run").output.strip()
    listed = token_command("list").output
    token_id = listed.split()[0]
    assert text.startswith(f"mf_{token_id}_")
    assert text not in listed
    assert token_command("revoke", token_id).exit_code == 0
    assert token_command("revoke", token_id).exit_code == 2
    assert token_command("create", "ada", "--role", "root").exit_code == 2

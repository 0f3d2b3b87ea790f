"""The client and `--server`, on a service that listens in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest
import uvicorn
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
    assert run("status", "nothing").exit_code == run("stop", "far").exit_code == 2
    assert run("resume", "far").exit_code == run("export", "far", "../x").exit_code == 2


def test_a_service_that_is_away_gets_exit_status_1(run):
    done = run("status", "far", server=NO_CLUSTER)
    assert (done.exit_code, "no service answers" in done.output) == (1, True)
    assert run("export", "far", "x").exit_code == 1  # its cluster is away


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


# -- anything at all

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=9),
)
BODIES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_makes_the_service_fail(service, ledger, token, content, data):
    """Any route with any values: what the service raises is raised here, so a 500 is seen."""
    call = _callers.setdefault(service.root, Caller.of(service))
    call = replace(call, token=call.token)
    paths = call.app.openapi()["paths"]
    path = data.draw(st.sampled_from([each for each in paths if "events" not in each]))
    method = data.draw(st.sampled_from(sorted(paths[path])))
    operation = paths[path][method]
    query = {}
    for each in operation.get("parameters", ()):
        if each["in"] == "query" and data.draw(st.booleans()):
            query[each["name"]] = str(data.draw(VALUES))
    known = {"name": "far", "number": "1", "export": "x", "token_id": "0"}
    for name, value in known.items():
        if (place := f"{{{name}}}") in path:
            drawn = data.draw(st.just(value) | st.text(st.characters(codec="utf-8"), min_size=1))
            path = path.replace(place, quote(drawn, safe=""))
    request = {}
    if "requestBody" in operation:
        body = data.draw(BODIES | st.fixed_dictionaries({}, optional=_fields(operation, call)))
        is_config = path in ("/v1/searches", "/v1/check", "/v1/doctor")
        if is_config and data.draw(st.booleans()):
            key = data.draw(st.sampled_from([*content, "merge", "sampler", "space", "workers"]))
            body = {**content, "name": "x", key: body}
        request = {"json": body}
    answer = call(method.upper(), path, params=query, **request)
    assert answer.status_code < 500 or answer.status_code == 503
    if answer.is_error:
        assert set(answer.json()) >= {"type", "title", "status", "detail"}


_callers: dict = {}


def _fields(operation: dict, call: Caller) -> dict:
    """The fields of a body, with values of any type."""
    schema = operation["requestBody"]["content"].get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    if not name:
        return {}
    known = call.app.openapi()["components"]["schemas"][name]["properties"]
    return {each: VALUES.filter(lambda v: not isinstance(v, bytes | float)) for each in known}

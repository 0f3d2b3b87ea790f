"""A service whose root is in an object store that fails now and then."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest
import yaml
from ray.job_submission import JobStatus
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from search.ledger import Ledger, Store
from search.runs import results_of
from search.service import ServiceSettings, root_of
from tests.search.conftest import score_baselines
from tests.search.formula import evaluate
from tests.search.object_store import root, store  # noqa: F401 - fixtures
from tests.search.service_caller import NO_CLUSTER, Caller
from tests.search.test_service_replicas import content, create, ray, statuses, together  # noqa: F401
from workers.pool import InProcessPool

SEARCH = "/v1/searches/demo"


@pytest.fixture
def settings(root, world) -> ServiceSettings:
    return ServiceSettings(root, NO_CLUSTER, data=(world,))


@pytest.fixture
def call(settings, ray) -> Caller:
    return Caller.of(settings)


@pytest.fixture
def searched(call, ray, content, settings, tmp_path) -> Ledger:
    """A search of which the baselines are scored, and that was stopped."""
    assert create(call, content)().status_code == 201
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(ray.configs[0]))
    ledger = score_baselines(Ledger(settings.run("demo")), make_plan(path), texts=(1.0,) * 4)
    ray.end("demo", JobStatus.STOPPED)
    call.app.state.service.changed("demo")
    return ledger


def test_a_search_is_created_once_and_runs_in_the_store(call, ray, content, settings, store):
    other = replace(call, app=Caller.of(settings).app)
    assert call("GET", "/v1/searches").json() == other("GET", "/v1/searches").json()
    answers = together(create(call, content), create(other, content))
    assert statuses(answers) == [200, 201], [each.text for each in answers]
    (config,) = ray.configs
    assert config["run"] == settings.run("demo")
    assert config["run"].startswith("s3://runs/")
    (listed,) = other("GET", "/v1/searches").json()["searches"]
    assert listed["name"] == "demo"
    assert listed["state"] in (
        "waiting",
        "running",
    )  # the lease of its creator is seen for a moment
    assert call("GET", "/readyz").json() == {"status": "ok"}
    assert create(call, {**content, "budget": {"trials": 9}})().status_code == 409
    assert store.failed > 2


def test_the_command_of_the_job_searches_in_the_store_and_its_results_are_read(
    call, ray, content, settings, tmp_path, monkeypatch
):
    objectives = {**content["objectives"], "text": {"task": "text", "metric": "bits_per_byte"}}
    assert create(call, {**content, "objectives": objectives})().status_code == 201
    (command,) = [job.entrypoint for job in ray.jobs.values()]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(ray.configs[0]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("search.runs.search.ray_pool", lambda *_: InProcessPool(evaluate, 2))
    done = CliRunner().invoke(app, shlex.split(command)[3:])  # without python -m search
    assert done.exit_code == 0, done.output
    ray.end("demo")
    call.app.state.service.changed("demo")
    status = call("GET", SEARCH).json()
    assert (status["state"], status["trials"]["scored"]) == ("finished", 5)
    ledger = Ledger(settings.run("demo"))
    results = results_of(ledger)
    front = call("GET", f"{SEARCH}/front?pick=knee").json()
    assert front["pick"] == results.pick("knee").number
    assert call("GET", f"{SEARCH}/trials/2").json()["number"] == 2
    assert "Pareto front" in call("GET", f"{SEARCH}/report").text
    assert call("POST", f"{SEARCH}/resume", json={}).status_code == 409  # its budget is spent
    assert call("POST", f"{SEARCH}/resume", json={"trials": 8}).status_code == 202
    assert ray.configs[-1]["budget"]["trials"] == 8
    assert ray.configs[-1]["run"] == ledger.root


def test_an_export_needs_a_folder(call, searched, settings, tmp_path):
    refused = call("POST", f"{SEARCH}/exports", json={"name": "best"})
    assert refused.status_code == 409
    assert "the root of this service is an object store" in refused.json()["detail"]
    assert "--exports FOLDER" in refused.json()["fix"]
    assert call("GET", f"{SEARCH}/exports").json() == {"exports": []}
    assert call("GET", f"{SEARCH}/exports/best").status_code == 404
    able = Caller.of(replace(settings, export_folder=tmp_path / "exports"))
    assert able("POST", f"{SEARCH}/exports", json={"name": "best"}).status_code == 202


def test_a_token_of_the_store_opens_every_replica_until_it_is_revoked(call, settings, monkeypatch):
    other = replace(call, app=Caller.of(settings).app)
    assert other("GET", "/v1/me").json()["role"] == "admin"
    made = call("POST", "/v1/tokens", json={"name": "ada", "role": "read"}).json()
    ada, far = (each.with_token(made["token"]) for each in (call, other))
    assert ada("GET", "/v1/me").status_code == far("GET", "/v1/me").status_code == 200
    assert call("DELETE", f"/v1/tokens/{made['id']}").status_code == 204
    assert ada("GET", "/v1/me").status_code == 401
    monkeypatch.setattr(far.app.state.service.tokens, "_known", {})  # some seconds later
    assert far("GET", "/v1/me").status_code == 401


def test_a_store_that_is_away_is_said(call, searched, monkeypatch):
    def away(*_: object) -> None:
        raise OSError("Could not resolve host runs.s3.amazonaws.com")

    monkeypatch.setattr(Store, "folders", away)
    listed = call("GET", "/v1/searches")
    assert "the root cannot be reached: Could not resolve" in listed.json()["detail"]
    monkeypatch.setattr(Store, "read", away)
    call.app.state.service.tokens._known.clear()
    asked = call("GET", SEARCH)
    for each in (listed, asked):
        assert (each.status_code, each.headers["retry-after"]) == (503, "30")
        assert each.json()["fix"] == "try again later; running searches go on"


def test_the_command_line_makes_tokens_there_and_needs_a_cluster(root, monkeypatch):
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--root", root])

    made = run("token", "create", "ada")
    assert made.exit_code == 0, made.output
    assert "ada" in run("token", "list").output
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    served = run("serve")
    assert served.exit_code == 2
    assert "--cluster" in served.output


@pytest.mark.parametrize(
    "root", ["s3://key:secret@bucket/team", "s3://bucket/team?secret_key=secret&region=eu"]
)
def test_a_root_with_keys_in_its_uri_is_refused_without_repeating_them(root):
    with pytest.raises(ValueError, match=r"root s3://bucket/team: keys in a URI") as raised:
        root_of(root)
    assert "secret@" not in str(raised.value)
    assert "=secret" not in str(raised.value)

"""The service and its cluster: what is answered while it is away, slow or changed."""

from __future__ import annotations

import pytest
from ray.job_submission import JobStatus

from search.ledger import Ledger
from search.service import ServiceSettings
from search.service.snapshots import RunView
from tests.search.service_caller import Caller, settings_of
from tests.search.test_service_replicas import content, create, ray  # noqa: F401 - fixtures

SEARCH = "/v1/searches/demo"


@pytest.fixture
def settings(world, tmp_path) -> ServiceSettings:
    return settings_of(tmp_path / "root", world, export_folder=tmp_path / "exports")


@pytest.fixture
def call(settings, ray, content) -> Caller:
    """A service with the search `demo`, whose job waits."""
    call = Caller.of(settings)
    assert create(call, content)().status_code == 201
    return call


def test_a_restarted_service_whose_cluster_is_away_does_not_say_that_nothing_runs(
    call, ray, settings, monkeypatch
):
    def away(_: str) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("workers.pool.jobs.JobSubmissionClient", away)
    restarted = Caller.of(settings)
    for method, path in (("POST", "/stop"), ("GET", "/logs"), ("GET", "/verdict/task")):
        answer = restarted(method, SEARCH + path)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True), path
    assert restarted("GET", f"{SEARCH}/exports/x").status_code == 503


def test_what_is_no_job_of_the_cluster_is_not_stopped(call, ray, settings):
    ray.end("demo", JobStatus.STOPPED)
    call.app.state.service.changed("demo")
    answer = call("POST", f"{SEARCH}/stop")
    assert (answer.status_code, answer.json()["fix"]) == (409, "nothing needs to be done")
    with Ledger(settings.run("demo")).driving():
        answer = call("POST", f"{SEARCH}/stop")
    assert (answer.status_code, answer.json()["fix"]) == (409, "stop that process")
    assert call("GET", f"{SEARCH}/exports/x").status_code == 404
    assert call("GET", f"{SEARCH}/verdict/task").status_code == 404


def test_a_file_among_the_exports_hides_none_of_them(call, settings):
    folder = settings.exports / "demo"
    (folder / "model").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    answer = call("GET", f"{SEARCH}/exports")
    assert answer.status_code == 200, answer.text
    assert [each["name"] for each in answer.json()["exports"]] == ["model"]


def test_a_stream_sends_a_status_once_and_ends_if_the_service_fails_at_it(call, monkeypatch):
    looks, look = [], RunView.look

    async def looked(view: RunView) -> None:
        looks.append(view)
        if len(looks) > 4:
            raise ZeroDivisionError
        await look(view)

    monkeypatch.setattr(RunView, "look", looked)
    monkeypatch.setattr("search.service.feeds.PERIOD", 0.01)
    text = call("GET", f"{SEARCH}/events").text
    assert (text.count("event: status"), text.count("event: end")) == (1, 1)

"""The service and its cluster: what is answered while it is away, slow or changed."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from ray.job_submission import JobStatus

from search.ledger import Ledger
from search.service import ServiceSettings, shared_reads
from search.service.searches import Searches
from search.service.snapshots import RunView
from tests.search.job_client import JobClient
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


def test_a_cluster_that_hangs_is_not_waited_for(call, ray, monkeypatch):
    is_over = threading.Event()
    monkeypatch.setattr(JobClient, "list_jobs", lambda _: is_over.wait(30) and [])
    monkeypatch.setattr(shared_reads, "PATIENCE", 0.5)
    call.app.state.service.changed("demo")
    began = time.monotonic()
    for _ in range(20):
        call.app.state.service.changed("demo")
        assert call("GET", SEARCH).json()["state"] == "waiting"  # as was known
    assert call("GET", "/readyz").status_code == 503
    assert time.monotonic() - began < 10
    is_over.set()


def test_a_log_is_read_once_for_all_and_jobs_are_listed_only_after_changes(call, monkeypatch):
    reads = {"list_jobs": 0, "get_job_logs": 0}

    def counted(name: str) -> Any:
        function = getattr(JobClient, name)

        def count(*arguments: Any) -> Any:
            reads[name] += 1
            return function(*arguments)

        return count

    for name in reads:
        monkeypatch.setattr(JobClient, name, counted(name))
    monkeypatch.setattr("search.service.cluster.FRESH", 60.0)
    call.app.state.service.changed("demo")
    for _ in range(4):
        assert call("GET", f"{SEARCH}/logs").text == "the log of demo\n"
    assert reads["get_job_logs"] == 1
    assert reads["list_jobs"] <= 2  # one of them by the log


def test_a_job_is_stopped_by_one_thread_however_often_it_is_asked(call, monkeypatch):
    is_over = threading.Event()
    monkeypatch.setattr("workers.pool.jobs.Jobs.stop", lambda *_: is_over.wait(30))
    for _ in range(3):
        assert call("POST", f"{SEARCH}/stop").status_code == 202
    threads = [each for each in threading.enumerate() if each.name == "stop demo"]
    is_over.set()
    assert len(threads) == 1


def test_one_client_that_leaves_takes_no_answer_from_others_and_large_ones_are_not_kept(
    call, settings, monkeypatch
):
    made = []

    def make(_: object) -> bytes:
        made.append(1)
        time.sleep(0.2)
        return b"x" * 100

    async def ask() -> None:
        view = await call.app.state.service.views.of("demo")
        first = asyncio.create_task(view.answer("key", make))
        await asyncio.sleep(0.05)
        first.cancel()
        assert await view.answer("key", make) == await view.answer("key", make)
        assert len(made) == 1
        monkeypatch.setattr("search.service.snapshots.MAX_BYTES", 150)
        await view.answer("other", make)
        assert list(view._answers) == ["other"]

    asyncio.run(ask())


def test_readiness_tries_the_root_once_for_all_who_ask(call, monkeypatch):
    tried = []
    monkeypatch.setattr("search.ledger.Store.is_writable", lambda _: tried.append(1) or True)
    fresh = Caller.of(call.app.state.service.settings).with_token(None)
    assert [fresh("GET", "/readyz").status_code for _ in range(3)] == [200] * 3
    assert len(tried) == 1


def test_changes_that_wait_for_the_cluster_hold_up_no_read(call, monkeypatch):
    names = []
    create = Searches.create

    def created(*arguments: Any) -> Any:
        names.append(threading.current_thread().name)
        return create(*arguments)

    monkeypatch.setattr(Searches, "create", created)
    assert call("POST", "/v1/searches", content="name: x").status_code == 422
    assert names[0].startswith("slow")

"""Several services on one root, and one on a copy of a root: nothing is done twice or lost."""

from __future__ import annotations

import itertools
import math
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from search.ledger import Ledger
from search.ledger import ledger as ledger_module
from search.results import RunResults
from search.service import searches
from search.service.app import create_app
from search.service.searches import Searches
from tests.search.conftest import OBJECTIVES
from tests.search.job_client import JobClient
from tests.search.service_caller import Caller, settings_of
from tests.search.test_ledger import a_trial, documents

TOGETHER = 5.0  # seconds in which two requests meet; one that does not come is not waited for
PACE = 0.01  # seconds between two trials


@pytest.fixture
def ray(monkeypatch) -> JobClient:
    client = JobClient()
    monkeypatch.setattr("workers.pool.jobs.JobSubmissionClient", lambda _: client)
    return client


@pytest.fixture
def replicas(world, tmp_path, ray) -> tuple[Caller, Caller]:
    settings = settings_of(tmp_path / "root", world)
    found = Caller.of(settings), Caller.of(settings)
    for each in found:  # routes are made at the first request, which two threads cannot do at once
        assert each("GET", "/v1/searches").status_code == 200
    return found


@pytest.fixture
def content() -> dict[str, Any]:
    return {
        "name": "demo",
        "base": "base",
        "models": {name: name for name in "abc"},
        "methods": ["linear"],
        "tasks": "tasks",
        "objectives": {"picks": {"task": "pick", "metric": "acc"}},
        "budget": {"trials": 5},
    }


def at_the_same_moment(monkeypatch, owner: Any, name: str) -> None:
    """Has two calls of a function begin together."""
    barrier, function = threading.Barrier(2), getattr(owner, name)

    def called(*arguments: Any, **options: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(TOGETHER)
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, called)


def together(*requests: Callable[[], httpx2.Response]) -> list[httpx2.Response]:
    with ThreadPoolExecutor(len(requests)) as threads:
        return [each.result() for each in [threads.submit(request) for request in requests]]


def create(call: Caller, content: dict[str, Any]) -> Callable[[], httpx2.Response]:
    return lambda: call("POST", "/v1/searches", content=yaml.safe_dump(content))


def statuses(answers: list[httpx2.Response]) -> list[int]:
    return sorted(each.status_code for each in answers)


def test_of_two_replicas_that_create_the_same_search_one_does(replicas, ray, content, monkeypatch):
    at_the_same_moment(monkeypatch, searches, "_found_or_created")
    at_the_same_moment(monkeypatch, Searches, "_submit")
    answers = together(*(create(each, content) for each in replicas))
    assert statuses(answers) == [200, 201], [each.text for each in answers]
    assert ray.submitted("demo") == 1
    for each in replicas:
        assert each("GET", "/v1/searches/demo").json()["state"] == "waiting"


def test_of_two_searches_of_one_name_one_is_created_whole(replicas, ray, content, monkeypatch):
    at_the_same_moment(monkeypatch, searches, "_found_or_created")
    other = {**content, "budget": {"trials": 9}}
    answers = together(create(replicas[0], content), create(replicas[1], other))
    assert statuses(answers) == [201, 409], [each.text for each in answers]
    (config,) = ray.configs
    ledger = Ledger(config["run"])
    assert yaml.safe_load(ledger.config) == config
    assert ledger.header["budget"] == config["budget"]


def test_a_search_that_is_created_and_resumed_at_once_has_one_job(
    replicas, ray, content, monkeypatch
):
    one, other = replicas
    assert create(one, content)().status_code == 201
    ray.jobs.clear()  # as if the service had died before it submitted the job
    ray.configs.clear()
    for each in replicas:
        each.app.state.service.cluster.look_again()
    at_the_same_moment(monkeypatch, Searches, "_submit")
    resume = lambda: other("POST", "/v1/searches/demo/resume", json={"trials": 7})  # noqa: E731
    created, resumed = together(create(one, content), resume)
    assert (created.status_code, resumed.status_code) in ((200, 409), (200, 202))
    assert ray.submitted("demo") == 1


def test_of_two_replicas_that_resume_a_search_one_does(replicas, ray, content, monkeypatch):
    assert create(replicas[0], content)().status_code == 201
    ray.end("demo")
    for each in replicas:
        each.app.state.service.cluster.look_again()
    at_the_same_moment(monkeypatch, Searches, "_submit")
    answers = together(
        *(lambda each=each: each("POST", "/v1/searches/demo/resume", json={}) for each in replicas)
    )
    codes = statuses(answers)
    assert codes[0] == 202
    assert codes[1] in (409, 503)
    assert ray.submitted("demo") == 2  # when it was created, and now


def test_a_search_is_resumed_where_its_root_was_copied_to(replicas, ray, content, world, tmp_path):
    assert create(replicas[0], content)().status_code == 201
    shutil.copytree(tmp_path / "root", tmp_path / "copy")
    ray.jobs.clear()  # another cluster
    call = Caller(create_app(settings_of(tmp_path / "copy", world)), replicas[0].token)
    assert call("POST", "/v1/searches/demo/resume", json={}).status_code == 202
    assert ray.configs[-1]["run"] == str(tmp_path / "copy" / "runs" / "demo")
    assert create(call, content)().status_code == 200  # the same search, not another config


def copy_while_files_vanish(source: Path, target: Path) -> None:
    """As docs/service.md says: again, until a copy met no file that was merged meanwhile."""
    vanished = ["unknown"]
    while vanished:
        try:
            shutil.copytree(source, target, dirs_exist_ok=True)
            vanished = []
        except shutil.Error as error:
            vanished = [reason for *_, reason in error.args[0]]
        assert all("unknown" in each or "No such file" in each for each in vanished), vanished


def test_a_copy_of_the_root_taken_while_a_search_runs_shows_the_same_front(
    world, tmp_path, monkeypatch
):
    monkeypatch.setattr(ledger_module, "SMALL_FILES", 16)
    settings = settings_of(tmp_path / "root", world)
    call, is_over = Caller.of(settings), threading.Event()
    header = {
        "name": "live",
        "objectives": {each.name: each.to_dict() for each in OBJECTIVES},
        "budget": {"trials": 10_000},
    }
    ledger = Ledger.create(settings.run("live"), header, "name: live\n")

    def search() -> None:
        with ledger.driving():
            for number in itertools.count():
                scores = {"picks": math.sin(number), "text": math.cos(1.1 * number)}
                trial = a_trial(number, scores=scores)
                ledger.propose(trial.proposal)
                ledger.finish(trial, documents())
                if is_over.wait(PACE):
                    return

    thread = threading.Thread(target=search)
    thread.start()
    while len(before := Ledger(ledger.root).trials()) < 40:
        time.sleep(0.05)
    copy_while_files_vanish(tmp_path / "root", tmp_path / "copy")
    is_over.set()
    thread.join()
    written = {trial.number: trial for trial in ledger.trials()}
    kept = Ledger(tmp_path / "copy" / "runs" / "live").contents()
    assert not kept.unreadable
    assert {trial.number for trial in before} <= {trial.number for trial in kept.trials}
    assert kept.trials == [written[trial.number] for trial in kept.trials]
    afar = Caller(create_app(settings_of(tmp_path / "copy", world)), call.token)
    shown = afar("GET", "/v1/searches/live/front").json()
    results = RunResults.of(header["objectives"], [written[t.number] for t in kept.trials])
    assert shown["front"] == results.to_json("live")["front"]
    assert len(shown["front"]) > 1

"""`verdict: knee`: when the budget of a search ends, its pick is tested, or later by `resume`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import search.runs.pool_on_demand as pool_module
import search.runs.search as search_module
from search.api import open_run, run_search
from search.cli.app import app
from search.ledger import Ledger
from search.runs import ScoringError, recorded_verdicts
from tests.search.test_verdict import answers
from workers.candidate import Candidate, Outcome
from workers.pool import InProcessPool


class Pools:
    """Makes pools of workers whose skill follows from the trial; some documents may fail."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.unable: set[str] = set()

    def __call__(self, *_: object) -> InProcessPool:
        return InProcessPool(self.evaluate, 2)

    def evaluate(self, candidate: Candidate) -> Outcome:
        self.asked.append((candidate.documents, candidate.trial))
        if candidate.documents in self.unable:
            return Outcome(candidate.trial, "failed", cause="OSError: no more disk")
        return answers(candidate, 0.3 + 0.01 * (candidate.trial % 50), count=60)


@pytest.fixture
def pools(monkeypatch) -> Pools:
    found = Pools()
    monkeypatch.setattr(search_module, "ray_pool", found)
    monkeypatch.setattr(pool_module, "ray_pool", found)
    monkeypatch.setenv("COLUMNS", "200")
    return found


def run(*arguments: object, status: int = 0) -> str:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == status, done.output
    return done.output


def test_the_pick_is_tested_when_the_budget_ends_and_once(pools, write, config):
    config |= {"verdict": "knee", "budget": {"trials": 8}}
    shown = run("search", write(config))
    (verdict,) = recorded_verdicts(Ledger(config["run"]))
    assert shown.count(verdict.sentence) == 1
    asked = len(pools.asked)
    again = run("resume", config["run"])
    assert again.count(verdict.sentence) == 1
    assert len(pools.asked) == asked


def test_an_interrupted_verdict_continues_with_resume(pools, write, config):
    config |= {"verdict": "mean", "budget": {"trials": 8}}
    pools.unable = {"report"}
    stopped = run("search", write(config), status=1)
    assert f"Continue with: mergefront resume {config['run']}" in stopped
    pools.unable = set()
    before = len(pools.asked)
    assert "verdict on trial" in run("resume", config["run"])
    assert {documents for documents, _ in pools.asked[before:]} == {"report"}


def test_the_python_api_tests_the_pick_too(pools, write, config):
    config |= {"verdict": "knee", "budget": {"trials": 8}}
    pools.unable = {"report"}
    with pytest.raises(ScoringError, match="no more disk"):
        run_search(write(config), make_pool=pools)
    pools.unable = set()
    found = open_run(config["run"]).resume(make_pool=pools)
    (verdict,) = recorded_verdicts(found.ledger)
    assert verdict.trial == found.trial("knee")


def test_without_the_key_report_documents_are_left_alone(pools, write, config):
    run("search", write({**config, "budget": {"trials": 8}, "verdict": False}))
    assert {documents for documents, _ in pools.asked} == {"search"}

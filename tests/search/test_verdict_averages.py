"""A verdict tries averages of the front: each once, and no search ever knows of them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import search.runs.averages as averages_module
from search.cli.app import app
from search.driver import Budget
from search.ledger import Ledger
from search.runs import ScoringError, reached_limit, results_of, status_of, verdict_on_pick
from tests.search.test_verdict import Workers, two_on_the_front

AVERAGE = 1_000_000
SKILLS = {0: 0.1, 1: 0.6, 2: 0.6, 3: 0.1, 4: 0.1, AVERAGE: 0.9}


@pytest.fixture
def ledger(write, config) -> Ledger:
    return two_on_the_front(write, config)


@pytest.fixture
def workers() -> Workers:
    return Workers(SKILLS)


def test_the_average_of_neighbours_is_scored_on_all_sets_once_and_can_be_picked(ledger, workers):
    found = verdict_on_pick(ledger, make_pool=workers)
    assert (found.trial.number, found.trial.label) == (AVERAGE, "average of 1 and 2")
    weights = found.trial.proposal.recipe.groups[0].parameters["weight"]
    assert dict(weights) == {"a": 0.5, "b": 0.5, "c": 0.0}
    assert [d for d, n in workers.asked if n == AVERAGE] == ["search", "selection", "report"]
    asked = len(workers.asked)
    again = verdict_on_pick(Ledger(ledger.root), make_pool=workers)
    assert again.to_json() == found.to_json()
    assert len(workers.asked) == asked


def test_a_search_neither_sees_nor_counts_it(ledger, workers):
    before = status_of(ledger), ledger.contents()
    verdict_on_pick(ledger, make_pool=workers)
    assert (status_of(ledger), ledger.contents()) == before
    assert reached_limit(ledger, Budget(trials=6)) is None
    assert len(results_of(ledger).trials) == 6


def test_after_an_interruption_only_what_is_missing_is_scored(ledger, workers):
    workers.unable = {AVERAGE}
    with pytest.raises(ScoringError, match="trial 1000000 has no scores on the search documents"):
        verdict_on_pick(ledger, make_pool=workers)
    workers.unable = {0}
    with pytest.raises(ScoringError, match="trial 0 has no scores on the selection documents"):
        verdict_on_pick(ledger, make_pool=workers)
    workers.unable = set()
    verdict_on_pick(ledger, make_pool=workers)
    assert [n for d, n in workers.asked if d == "search"] == [AVERAGE, AVERAGE]
    assert set(ledger.scored_on("search")) == {AVERAGE}


def test_their_number_is_bounded(ledger, workers, monkeypatch):
    monkeypatch.setattr(averages_module, "MOST", 0)
    verdict_on_pick(ledger, make_pool=workers)
    assert all(number < AVERAGE for _, number in workers.asked)


def test_it_is_shown_and_exported_like_any_trial(ledger, workers, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    verdict_on_pick(ledger, make_pool=workers)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments])
        assert done.exit_code == 0, done.output
        return done.output

    assert "average of 1 and 2" in run("front", ledger.root)
    assert "trial 1000000 (average of 1 and 2): scored" in run("show", ledger.root, str(AVERAGE))
    run("report", ledger.root, str(tmp_path / "report.html"))
    assert "average of 1 and 2" in (tmp_path / "report.html").read_text(encoding="utf-8")
    run("export", ledger.root, str(tmp_path / "out"), "--trial", str(AVERAGE))
    assert json.loads((tmp_path / "out/scores.json").read_text())["trial"] == AVERAGE


def test_a_damaged_file_of_one_is_reported_and_hides_nothing_else(
    ledger, workers, tmp_path, caplog
):
    verdict_on_pick(ledger, make_pool=workers)
    (tmp_path / "run/search/1000000.parquet").write_bytes(b"nothing")
    assert len(results_of(ledger).trials) == 5
    assert "if you delete it, it is scored again" in caplog.text
    with pytest.raises(ValueError, match=r"search/1000000.parquet: .*if you delete it"):
        verdict_on_pick(ledger, make_pool=workers)

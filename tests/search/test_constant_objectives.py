"""Objectives that never change: named early, and an end to a search that could rank nothing."""

from __future__ import annotations

import logging

import pytest

from search.cli.front_table import front_tables
from search.ledger import Ledger
from search.results import ENOUGH, ConstantError, RunResults
from search.runs import status_of
from search.samplers import Auto
from tests.search.conftest import OBJECTIVES
from tests.search.test_driver import evaluate, make_driver
from tests.search.test_front_command import HEADER
from workers.candidate import Candidate, Outcome


def half_constant(candidate: Candidate) -> Outcome:
    """The first objective follows the recipe, the second is always 1."""
    outcome = evaluate(candidate)
    values = {**outcome.values, "text": {"bits_per_byte,none": 1.0}}
    return Outcome(candidate.trial, "scored", values)


def wholly_constant(candidate: Candidate) -> Outcome:
    values = {"pick": {"acc,none": 0.0}, "text": {"bits_per_byte,none": 1.0}}
    return Outcome(candidate.trial, "scored", values)


def test_an_objective_that_never_changes_is_named_while_the_search_goes_on(tmp_path, caplog):
    driver = make_driver(tmp_path / "run", trials=40, evaluate=half_constant, sampler=Auto())
    with caplog.at_level(logging.WARNING):
        driver.run()
    said = [record.getMessage() for record in caplog.records]
    assert len(driver.trials) == 40
    assert [line for line in said if "objective text is 1 for all" in line] == said
    assert len(said) == 1


def test_where_nothing_ranks_the_trials_the_search_ends_and_says_why(tmp_path):
    driver = make_driver(tmp_path / "run", evaluate=wholly_constant)
    with pytest.raises(ConstantError, match=r"objective picks is 0 .*\n.*objective text is 1 for"):
        driver.run()
    assert ENOUGH <= len(driver.ledger.trials()) < 24


def test_a_resumed_search_goes_on_all_the_same(tmp_path):
    with pytest.raises(ConstantError):
        make_driver(tmp_path / "run", evaluate=wholly_constant).run()
    driver = make_driver(tmp_path / "run", evaluate=wholly_constant)
    driver.run()
    assert len(driver.trials) == 24


def test_front_and_its_history_are_defined_and_name_the_objective(tmp_path):
    driver = make_driver(tmp_path / "run", evaluate=half_constant)
    driver.run()
    found = RunResults(OBJECTIVES, driver.trials)
    assert found.constant == {"text": 1.0}
    assert found.to_json("run")["constant"] == {"text": 1.0}
    assert "objective text is 1 for all" in str(front_tables(found, 100)[0].caption)
    assert 0 < found.history[-1] < 10
    assert found.pick("knee").scores["picks"] == max(t.scores["picks"] for t in found.scored)


def test_status_names_it(tmp_path):
    Ledger.create(tmp_path / "run", HEADER, "")
    driver = make_driver(tmp_path / "run", evaluate=half_constant)
    driver.run()
    (trouble,) = status_of(driver.ledger)["troubles"]
    assert trouble.startswith("objective text is 1 for all 24 scored trials")


def test_a_few_equal_scores_are_no_reason_to_complain(tmp_path):
    driver = make_driver(tmp_path / "run", trials=ENOUGH - 1, evaluate=wholly_constant)
    driver.run()
    assert not RunResults(OBJECTIVES, driver.trials).constant

"""`mergefront front`: the front of a run, asked from its files alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from search.cli.app import app
from search.ledger import Ledger
from tests.search.conftest import OBJECTIVES
from tests.search.test_driver import evaluate, make_driver
from workers.candidate import Candidate, Outcome

HEADER = {
    "name": "test",
    "objectives": {each.name: each.to_dict() for each in OBJECTIVES},
    "budget": {"trials": 40},
}


def torn(candidate: Candidate) -> Outcome:
    """What is good for the first objective harms the second."""
    values = evaluate(candidate).values
    harm = values["pick"]["acc,none"] + values["text"]["bits_per_byte,none"]
    return Outcome(candidate.trial, "scored", {**values, "text": {"bits_per_byte,none": harm}})


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("front") / "run"
    Ledger.create(root, HEADER, "")
    make_driver(root, trials=40, evaluate=torn).run()
    return root


@pytest.fixture
def said(run):
    return lambda *options: CliRunner().invoke(app, ["front", str(run), *options])


def test_history_and_importance_are_told_to_people(said):
    found = said("--history", "--importance")
    assert found.exit_code == 0
    for part in ("Pareto front", "Hypervolume", "just behind the worst", "Importance"):
        assert part in found.output
    assert "weight[a]" in found.output  # and not taken for rich's own brackets


def test_and_to_programs(said):
    content = json.loads(said("--history", "--importance", "--json").output)
    assert content["importance"].keys() == {"picks", "text"}
    assert content["history"]["reference"].keys() == {"picks", "text"}
    volumes = content["history"]["hypervolume"]
    assert volumes == sorted(volumes)
    assert volumes[-1] > 0


def test_where_keeps_a_part_of_the_front(said):
    everything = json.loads(said("--json").output)
    best = max(member["scores"]["picks"] for member in everything["front"])
    where = f"picks >= {best} and text >= 0 * base.text"
    some = json.loads(said("--json", "--where", where).output)
    assert {member["scores"]["picks"] for member in some["front"]} == {best}
    assert len(some["front"]) < len(everything["front"])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("piks > 0.5", "--where: unknown name 'piks'; did you mean 'picks'?"),
        ("picks > d.picks", "--where: unknown name 'd.picks'; did you mean"),
        ("picks", "'picks' is a number, and a comparison is wanted"),
    ],
)
def test_a_question_that_means_nothing_is_wrong_input(said, where, message):
    found = said("--where", where)
    assert found.exit_code == 2
    assert message in found.stderr


def test_a_question_that_nothing_fulfils_gets_a_word(said):
    found = said("--where", "picks > 1000")
    assert found.exit_code == 0
    assert "no trial of the front fulfils --where" in found.output


def test_importance_that_cannot_be_told_yet_hides_nothing(tmp_path):
    root = tmp_path / "run"
    Ledger.create(root, HEADER, "")
    make_driver(root, trials=8, evaluate=torn).run()
    found = CliRunner().invoke(app, ["front", str(root), "--importance", "--history"])
    assert found.exit_code == 0
    for part in ("Pareto front", "Hypervolume", "no importance yet"):
        assert part in found.output

"""`mergefront front`: the front of a run, from its files alone."""

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


def conflicting(candidate: Candidate) -> Outcome:
    """The better the first objective, the worse the second."""
    values = evaluate(candidate).values
    harm = values["pick"]["acc,none"] + values["text"]["bits_per_byte,none"]
    return Outcome(candidate.trial, "scored", {**values, "text": {"bits_per_byte,none": harm}})


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("front") / "run"
    Ledger.create(root, HEADER, "")
    make_driver(root, trials=40, evaluate=conflicting).run()
    return root


@pytest.fixture
def show(run):
    return lambda *options: CliRunner().invoke(app, ["front", str(run), *options])


def test_history_and_importance_are_printed_as_tables(show):
    done = show("--history", "--importance")
    assert done.exit_code == 0
    said = " ".join(done.output.split())
    for part in ("Pareto front", "Hypervolume", "just behind the worst", "Importance"):
        assert part in said
    assert "weight[a]" in done.output  # and not taken for rich's own brackets


def test_history_and_importance_are_printed_as_json(show):
    content = json.loads(show("--history", "--importance", "--json").stdout)
    assert content["importance"].keys() == {"picks", "text"}
    assert content["history"]["reference"].keys() == {"picks", "text"}
    volumes = content["history"]["hypervolume"]
    assert volumes == sorted(volumes)
    assert volumes[-1] > 0


def test_where_selects_a_part_of_the_front(show):
    everything = json.loads(show("--json").stdout)
    best = max(member["scores"]["picks"] for member in everything["front"])
    where = f"picks >= {best} and text >= 0 * base.text"
    some = json.loads(show("--json", "--where", where).stdout)
    assert {member["scores"]["picks"] for member in some["front"]} == {best}
    assert len(some["front"]) < len(everything["front"])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("piks > 0.5", "--where: unknown name 'piks'; did you mean 'picks'?"),
        ("picks > d.picks", "--where: unknown name 'd.picks'; did you mean"),
        ("picks", "'picks' is a number; expected a comparison"),
    ],
)
def test_an_invalid_condition_is_wrong_input(show, where, message):
    done = show("--where", where)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_condition_that_no_trial_satisfies_gets_a_note(show):
    done = show("--where", "picks > 1000")
    assert done.exit_code == 0
    assert "no trial of the front satisfies --where" in done.output


def test_everything_else_is_printed_if_there_is_no_importance_yet(tmp_path):
    root = tmp_path / "run"
    Ledger.create(root, HEADER, "")
    make_driver(root, trials=8, evaluate=conflicting).run()
    done = CliRunner().invoke(app, ["front", str(root), "--importance", "--history"])
    assert done.exit_code == 0
    for part in ("Pareto front", "Hypervolume", "no importance yet"):
        assert part in done.output

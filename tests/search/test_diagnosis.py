"""`mergefront doctor`: on models, on a config, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from search.cli.app import app


@pytest.fixture
def said():
    return lambda *arguments: CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def test_models_that_go_together_pass(said, world: Path):
    found = said(world / "base", world / "a", world / "b")
    assert found.exit_code == 0
    assert "3 models can be merged" in found.output
    assert "B for each worker" in found.output


def test_models_that_do_not_are_wrong_input(said, world: Path):
    found = said(world / "base", world / "wide", "--json")
    assert found.exit_code == 2
    content = json.loads(found.output)
    assert content["version"] == 1
    assert content["estimate"] is None
    assert any("hidden_size is 32, base has 16" in error for error in content["errors"])
    assert {finding["level"] for finding in content["findings"]} >= {"error"}


def test_faults_of_a_config_are_json_too(said, write, config):
    found = said(write({**config, "metods": []}), "--json")
    assert found.exit_code == 2
    assert json.loads(found.output)["errors"] == ["metods: unknown key; did you mean 'methods'?"]


def test_deep_says_where_models_clash_and_draws_it(said, world: Path, tmp_path):
    page = tmp_path / "deep.html"
    found = said(world / "base", world / "a", world / "b", "--picture", page)
    assert found.exit_code == 0
    assert "Task vectors" in found.output
    assert page.read_text().startswith("<!doctype html>")
    content = json.loads(said(world / "base", world / "a", "--deep", "--json").output)
    assert content["deep"][0].keys() == {
        "layer",
        "module",
        "entries",
        "norms",
        "cosines",
        "conflict",
    }


def test_a_config_is_told_with_what_it_takes(said, write, config):
    content = json.loads(said(write(config), "--json").output)
    assert content["errors"] == []
    assert content["estimate"]["export_disk"] > 0
    assert content["trials"] == 12
    assert content["trials_wanted"] == 5 * len(content["parameters"])


def test_a_config_is_told_with_its_space_and_the_budget_that_would_suit_it(said, write, config):
    found = said(write(config))
    assert found.exit_code == 0
    for part in ("Space", "lambda", "0.2 to 3, log", "trials beside the first ones"):
        assert part in found.output

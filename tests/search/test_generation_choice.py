"""`generation_config` of a config: in every recipe, in the export and in what is printed."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from search.cli.app import app
from search.config import ConfigError, make_plan
from tests.search.conftest import begin_scored
from workers.checkpoint import read_json

GENERATION = "generation_config.json"


@pytest.fixture
def plan_of(write, config, world, tmp_path):
    """A plan of models of which `a` penalises repetitions, with this choice."""
    folder = tmp_path / "a"
    shutil.copytree(world / "a", folder)
    settings = read_json(folder / GENERATION) | {"repetition_penalty": 1.25}
    (folder / GENERATION).write_text(json.dumps(settings))
    models = {**config["models"], "a": str(folder)}

    def plan(choice: str | None):
        return make_plan(write({**config, "models": models, "generation_config": choice}))

    return plan


@pytest.mark.parametrize(("choice", "penalty"), [("a", 1.25), ("b", None), (None, None)])
def test_an_export_has_the_chosen_one_and_says_who_has_others(choice, penalty, plan_of, tmp_path):
    plan = plan_of(choice)
    ledger = begin_scored(plan, texts=(3.0, 3.0, 3.0, 3.0, 2.0))
    done = CliRunner().invoke(app, ["export", str(ledger.root), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert read_json(tmp_path / "out" / GENERATION).get("repetition_penalty") == penalty
    others = "base, b, c differ" if choice == "a" else "a differs"
    owner = "a" if choice == "a" else "base"  # whose is equal to that of b
    told = f"The generation config is {owner}'s; that of {others}."
    assert f"warning: {told}" in done.output
    assert told in (tmp_path / "out" / "README.md").read_text()


def test_the_doctor_warns_where_settings_differ(plan_of):
    warnings = [str(each) for each in plan_of(None).warnings]
    assert any(
        f"a/{GENERATION}: differs from base's: repetition_penalty is 1.25 (base: not set)" in each
        for each in warnings
    )


def test_a_wrong_choice_is_named(plan_of, tmp_path):
    with pytest.raises(ConfigError, match="'d' is neither a model nor JSON text"):
        plan_of("d")
    (tmp_path / "a" / GENERATION).unlink()
    with pytest.raises(ConfigError, match=r"a has no generation_config\.json; name another"):
        plan_of("a")

"""A first config for models that somebody has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from tests.search.conftest import write_model
from tests.workers.makers import make_tokenizer


@pytest.fixture
def models(world, tmp_path, monkeypatch) -> Path:
    """A base and two fine-tunes that name it in their cards, in the current folder."""
    for name in ("base", "a", "b"):
        shutil.copytree(world / name, tmp_path / "models" / name)
    for name in ("a", "b"):
        card = "---\nbase_model: someone/base\n---\n# A model\n"
        (tmp_path / "models" / name / "README.md").write_text(card)
    shutil.copytree(world / "tasks", tmp_path / "tasks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str):
    return CliRunner().invoke(app, ["init", *arguments])


def test_the_config_runs_as_it_is_and_the_base_is_found_among_the_models(models):
    done = init("models/a", "models/base", "models/b", "--task-folder", "tasks")
    assert done.exit_code == 0, done.output
    assert "the base is models/base" in done.output
    plan = make_plan(models / "my-search.yaml")
    assert plan.base.path == str(models / "models" / "base")
    assert list(plan.models) == ["a", "b"]
    assert {each.name for each in plan.objectives} == {"pick", "text"}
    assert plan.config.run == models / "runs" / "my-search"


def test_paths_are_relative_to_the_config_and_tasks_are_those_named(models):
    (models / "configs").mkdir()
    out = ("--task-folder", "tasks", "--tasks", "pick", "--out", "configs/mine.yaml")
    done = init("models/a", "models/b", "--base", "models/base", *out)
    assert done.exit_code == 0, done.output
    content = yaml.safe_load((models / "configs" / "mine.yaml").read_text())
    assert content["models"] == {"a": "../models/a", "b": "../models/b"}
    assert content["objectives"] == {"pick": {"task": "pick", "metric": "acc"}}
    assert make_plan(models / "configs" / "mine.yaml").config.name == "mine"


def test_models_with_other_tokens_get_a_common_vocabulary(models):
    words = json.loads((models / "models/base/tokenizer.json").read_text())["model"]["vocab"]
    for name, added in (("base", []), ("a", ["<x>", "<y>"]), ("b", [])):
        tokens = [*words, *added]
        write_model(models / "models" / name, len(name), vocab_size=len(tokens))
        make_tokenizer(models / "models" / name, tokens)
    done = init("models/a", "models/base", "models/b", "--task-folder", "tasks")
    assert done.exit_code == 0, done.output
    assert make_plan(models / "my-search.yaml").config.tokenizer.source == "union"


def test_models_of_similar_names_all_get_one_of_their_own(models):
    for name in ("a-2", "b/a", "b/a_2"):
        shutil.copytree(models / "models/a", models / "models" / name)
    given = ["models/a-2", "models/a", "models/b/a", "models/b/a_2"]
    done = init(*given, "--base", "models/base", "--task-folder", "tasks")
    assert done.exit_code == 0, done.output
    plan = make_plan(models / "my-search.yaml")
    assert [each.path for each in plan.models.values()] == [str(models / path) for path in given]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models/a", "models/base"), "needs two models beside the base models/base, not 1"),
        (("models/a", "models/b", "--tasks", "pikc"), "unknown task 'pikc'"),
        (("models/a", "models/none", "--tasks", "pick"), "models/none: not a local directory"),
        (("models/a", "models/base", "models/b", "--tasks", ""), "name the tasks to score on"),
    ],
)
def test_what_is_missing_is_named(arguments, message, models):
    folder = ("--task-folder", "tasks") if "--tasks" not in arguments[:-1] or arguments[-1] else ()
    done = init(*arguments, *folder)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert not (models / "my-search.yaml").exists()


def test_a_base_that_nobody_names_is_asked_for_by_its_option(models):
    for name in ("a", "b"):
        (models / "models" / name / "README.md").unlink()
    done = init("models/a", "models/b", "--task-folder", "tasks")
    assert done.exit_code == 2
    assert "name it: --base MODEL" in " ".join(done.output.split())


def test_a_config_is_not_overwritten_without_being_told(models):
    (models / "my-search.yaml").write_text("mine")
    arguments = ("models/a", "models/base", "models/b", "--task-folder", "tasks")
    assert init(*arguments).exit_code == 2
    assert (models / "my-search.yaml").read_text() == "mine"
    assert init(*arguments, "--force").exit_code == 0

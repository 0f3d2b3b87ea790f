"""A first config for models that somebody has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from search.api import init_config
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


def test_each_model_that_is_read_is_counted(models):
    done = init("models/a", "models/base", "models/b", "--task-folder", "tasks")
    for number in (1, 2, 3):
        assert f"reading model {number} of 3 ..." in done.stderr


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


def test_names_that_yaml_reads_as_something_else_are_quoted(models):
    names = ("no", "1e5", "a, b", "x: y")
    for name in names:
        shutil.copytree(models / "models/a", models / "models" / name)
    for file, name in (("on", "on"), ("odd", "odd: name")):
        task = yaml.safe_load((models / "tasks/pick.yaml").read_text()) | {"task": name}
        (models / "tasks" / f"{file}.yaml").write_text(yaml.safe_dump(task))
    given = [f"models/{name}" for name in names]
    done = init(
        *given, "--base", "models/base", "--tasks", "on,odd: name,pick", "--task-folder", "tasks"
    )
    assert done.exit_code == 0, done.output
    plan = make_plan(models / "my-search.yaml")
    assert [each.path for each in plan.models.values()] == [str(models / path) for path in given]
    assert list(plan.models) == ["no", "model-1e5", "a-b", "x-y"]
    assert [each.metrics[0].task for each in plan.objectives] == ["on", "odd: name", "pick"]


def test_a_base_that_is_not_there_is_not_taken(models):
    for name in ("a", "b"):
        (models / "models" / name / "README.md").unlink()
        config = models / "models" / name / "config.json"
        content = json.loads(config.read_text()) | {"_name_or_path": "/home/me/train/last"}
        config.write_text(json.dumps(content))
    done = init("models/a", "models/b", "--task-folder", "tasks")
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert "these models name /home/me/train/last, which cannot be read; name the base" in said


def test_a_tag_becomes_the_mean_of_its_tasks(models):
    for name in ("pick", "pick2"):
        task = yaml.safe_load((models / "tasks/pick.yaml").read_text())
        text = yaml.safe_dump(task | {"task": name, "tag": "picks"})
        (models / "tasks" / f"{name}.yaml").write_text(text)
    done = init(
        "models/a",
        "models/b",
        "--base",
        "models/base",
        "--tasks",
        "picks,text",
        "--task-folder",
        "tasks",
    )
    assert done.exit_code == 0, done.output
    content = yaml.safe_load((models / "my-search.yaml").read_text())
    assert content["objectives"]["picks"] == {
        "mean": [{"task": name, "metric": "acc"} for name in ("pick", "pick2")]
    }
    assert len(make_plan(models / "my-search.yaml").objectives) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models/a", "models/base"), "needs two models beside the base models/base, not 1"),
        (
            ("models/a", "models/b", "--base", "models/base", "--tasks", "pikc"),
            "unknown task 'pikc'",
        ),
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
    assert "name the base: --base MODEL" in " ".join(done.output.split())


def test_a_config_is_not_overwritten_without_being_told(models):
    (models / "my-search.yaml").write_text("mine")
    arguments = ("models/a", "models/base", "models/b", "--task-folder", "tasks")
    assert init(*arguments).exit_code == 2
    assert (models / "my-search.yaml").read_text() == "mine"
    assert init(*arguments, "--force").exit_code == 0


def test_python_replaces_no_config_unless_it_is_told_to(models):
    folder = {"tasks": ["reverse"], "task_folder": "tasks", "base": "models/base"}
    Path("mine.yaml").write_text("mine")
    with pytest.raises(ValueError, match=r"mine\.yaml exists already"):
        init_config(["models/a", "models/b"], "mine.yaml", **folder)
    assert Path("mine.yaml").read_text() == "mine"

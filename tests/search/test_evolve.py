"""Configs of mergekit-evolve, translated."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from tests.workers.makers import WORDS, make_tokenizer

DARE_TIES = """
genome:
    models:
      - models/base
      - models/a
      - models/b
    merge_method: dare_ties
    base_model: models/base
    tokenizer_source: base
    layer_granularity: 2 # sane default
    normalize: true
    allow_negative_weights: true # useful with task_arithmetic
    filters: [self_attn, mlp]
tasks:
  - name: pick
    weight: 1.0
"""
TASK_ARITHMETIC = """
genome:
    models: [models/a, models/b]
    merge_method: task_arithmetic
    base_model: models/base
    smooth: true
    layer_granularity: 2
tasks:
  - {name: pick, weight: 2, metric: "acc,none"}
  - {name: text, weight: -0.5, metric: "bits_per_byte,none"}
num_fewshot: 0
limit: 100
"""
LINEAR = """
genome:
    models: [{model: {path: models/a}}, {model: models/b}, models/c]
    merge_method: linear
    normalize: false
tasks:
  - name: pick
  - {name: pick, metric: "acc_norm,none"}
apply_chat_template: true
fewshot_as_multiturn: false
"""
SLERP = """
genome:
    models: [models/base, models/a]
    merge_method: slerp
    base_model: models/base
    layer_granularity: 3
tasks: [{name: pick}]
random_init: true
"""
TIES = """
genome:
    models: [models/a, models/b]
    merge_method: ties
    base_model: models/base
tasks: [{name: pick}]
"""


@pytest.fixture
def here(world, tmp_path, monkeypatch) -> Path:
    """The models and tasks that the configs name, in the current folder."""
    for name in ("base", "a", "b", "c"):
        shutil.copytree(world / name, tmp_path / "models" / name)
        make_tokenizer(tmp_path / "models" / name, WORDS)
    shutil.copytree(world / "tasks", tmp_path / "tasks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def translate(here: Path, content: str, *options: str):
    (here / "evolve.yml").write_text(content)
    arguments = ["init", "--from", "evolve.yml", "--task-folder", "tasks", *options]
    return CliRunner().invoke(app, arguments)


def plan_of(here: Path, content: str):
    done = translate(here, content)
    assert done.exit_code == 0, done.output
    return make_plan(here / "my-search.yaml"), " ".join(done.output.split())


def test_dare_ties_searches_the_same_ranges_of_layers_and_modules(here):
    plan, said = plan_of(here, DARE_TIES)
    assert (plan.config.methods, list(plan.models)) == (["dare_ties"], ["a", "b"])
    assert plan.config.tokenizer.source == "base"
    names = set(plan.space.axes)
    assert "weight[a].mlp.1" in names
    assert "density[b].self_attn.0" in names
    assert "lambda" not in names
    assert "genome.allow_negative_weights: weights are searched from 0 to 2" in said
    assert "genome.normalize: a search with dare_ties keeps weights as they are" in said
    assert "genome.models: the base models/base is among them" in said


def test_several_tasks_become_objectives_with_their_weights(here):
    plan, said = plan_of(here, TASK_ARITHMETIC)
    assert {each.name: (each.direction, each.weight) for each in plan.objectives} == {
        "pick": ("maximize", 2.0),
        "text": ("minimize", 0.5),
    }
    assert plan.config.space.depth.curve == 2
    assert plan.config.scoring.num_fewshot == 0
    assert plan.config.budget.trials == 100
    assert "limit: every search document is scored" in said


def test_two_metrics_of_a_task_are_two_objectives_and_a_wrong_one_is_named(here):
    done = translate(here, LINEAR)
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    content = yaml.safe_load((here / "my-search.yaml").read_text())
    assert list(content["objectives"]) == ["pick-acc", "pick-acc_norm"]
    assert content["prefer"] == "mean"
    assert content["scoring"] == {"apply_chat_template": True}
    assert list(content["models"]) == ["a", "b", "c"]
    assert content["base"] == "models/a"
    assert "tasks pick: reports no acc_norm,none; set `metric` to one of acc,none" in said
    assert "genome.normalize: a search with linear divides weights by their sum" in said
    assert "fewshot_as_multiturn: with a chat template" in said


def test_slerp_keeps_the_base_as_one_of_its_two_models(here):
    plan, said = plan_of(here, SLERP)
    assert list(plan.models) == ["model-base", "a"]
    assert plan.config.space.depth.layers == [(0, 3), (3, 4)]
    assert "random_init: a search starts with the models" in said


def test_one_value_for_all_layers_is_the_default(here):
    plan, said = plan_of(here, TIES)
    assert set(plan.space.axes) == {
        *(f"{name}[{model}]" for name in ("weight", "density") for model in "ab")
    }
    assert "no counterpart" not in said


def test_what_has_no_counterpart_stands_in_the_file_too(here):
    plan_of(here, DARE_TIES)
    head = (here / "my-search.yaml").read_text().partition("name:")[0]
    assert "Translated from evolve.yml of mergekit-evolve" in head
    assert "genome.allow_negative_weights" in head


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dare_ties", "dare_tie", "'dare_tie' is none of its methods; did you mean 'dare_ties'?"),
        ("    models:", "    modles:", "genome.models: is required and missing"),
        ("tasks:", "taks:", "tasks: is required and missing"),
        ("genome:", "genom:", "is no config of mergekit-evolve: it has no `genome`"),
        ("- models/b\n", "- models/d\n", "models/d: not a local directory"),
        ("      - models/b\n", "", "a search needs two models beside the base models/base, not 1"),
        ("weight: 1.0", "weight: 0", "all have the weight 0"),
        ("genome:", "genome: [", "is not valid YAML"),
    ],
)
def test_an_invalid_file_gets_one_message(old, new, message, here):
    done = translate(here, DARE_TIES.replace(old, new, 1))
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert not (here / "my-search.yaml").exists()


def test_unknown_keys_and_tasks_are_named_and_the_config_is_written(here):
    content = TIES.replace("ties\n", "ties\n    layer_granulrity: 8\n").replace("pick", "pikc")
    done = translate(here, content)
    said = " ".join(done.output.split())
    assert done.exit_code == 0, done.output
    assert "warning: tasks: unknown task 'pikc'; did you mean pick?" in said
    assert "genome.layer_granulrity: mergekit-evolve's documentation does not have" in said
    assert "pikc" in (here / "my-search.yaml").read_text()


def test_models_and_a_file_to_translate_exclude_each_other(here):
    assert (
        "either the models, or a config of mergekit-evolve"
        in translate(here, TIES, "models/a").output
    )

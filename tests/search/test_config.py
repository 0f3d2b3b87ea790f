"""Bad input gets one clear message that names everything, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from search.cli.demo import SEARCH
from search.config import ConfigError, ConfigFile, plan
from tests.search.conftest import write_task
from workers.recipe import Source

ROOT = Path(__file__).parents[2]


def faults(write, config) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan(write(config))
    assert str(caught.value).startswith(f"{write(config)}: {len(caught.value.faults)} fault")
    return caught.value.faults


def test_a_config_that_is_right_becomes_a_plan(write, config):
    prepared = plan(write(config))
    assert [(o.name, o.metrics[0].key, o.direction) for o in prepared.objectives] == [
        ("picks", "acc,none", "maximize"),
        ("text", "bits_per_byte,none", "minimize"),
    ]
    assert list(prepared.models) == ["a", "b", "c"]
    assert all(source.fingerprint for source in prepared.models.values())


def test_paths_are_relative_to_the_file(write, config, world, tmp_path):
    (tmp_path / "link").symlink_to(world)
    config |= {"base": "link/base", "tasks": "link/tasks", "run": "my-run"}
    prepared = plan(write(config))
    assert prepared.config.run == tmp_path / "my-run"
    assert prepared.base.path == str(world / "base")


def test_a_resolved_config_is_a_config(write, config):
    prepared = plan(write(config))
    path = Path(prepared.config.run).parent / "again.yaml"
    path.write_text(prepared.config.to_yaml())
    assert plan(path).config == prepared.config


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"metods": ["linear"]}, "metods: unknown key; did you mean 'methods'?"),
        ({"budget": {"trial": 5}}, "budget.trial: unknown key; did you mean 'trials'?"),
        ({"budget": {"trials": 0}}, "budget.trials: Input should be greater than 0 (got 0)"),
        ({"methods": ["tie"]}, "methods.0: unknown merge method 'tie'; did you mean 'ties'?"),
        ({"methods": []}, "methods: List should have at least 1 item"),
        ({"objectives": {}}, "objectives: Dictionary should have at least 1 item"),
        (
            {"objectives": {"x": {"task": "pick", "metric": "accc"}}},
            "objectives.x.metric: task 'pick' does not report 'accc'; did you mean 'acc'?",
        ),
        (
            {"objectives": {"x": {"task": "pick", "metric": "acc", "direction": "minimize"}}},
            "objectives.x.direction: 'minimize' contradicts the task, which says 'maximize'",
        ),
        (
            {"objectives": {"x": {"task": "pick", "metric": "acc", "filter": "strict"}}},
            "objectives.x.filter: unknown filter 'strict'",
        ),
        ({"objectives": {"x": {"task": "pikc", "metric": "acc"}}}, "unknown task 'pikc'"),
        ({"tasks": "nowhere"}, "nowhere: no such directory"),
        ({"models": {"a": "nowhere", "b": "nowhere"}}, "models.a: no model directory at "),
        ({"base": "nowhere"}, "base: no model directory at "),
        (
            {"models": {"base": "x", "b": "y"}},
            "models.base: 'base' cannot be a name; results use it",
        ),
        ({"models": {"uniform": "x", "b": "y"}}, "models.uniform: 'uniform' cannot be a name"),
        ({"models": {"lambda": "x", "b": "y"}}, "models.lambda: 'lambda' cannot be a name"),
        ({"models": {"7b": "x", "b": "y"}}, "models.7b: '7b' cannot be a name; it must begin with"),
        ({"models": {"a-b": "x", "a_b": "y"}}, "models: 'a-b' and 'a_b' differ only in - and _"),
        ({"sampler": {"type": "tp"}}, "sampler: Input tag 'tp' found"),
        ({"sampler": {"type": "tpe", "populaton": 1}}, "sampler.tpe.populaton: unknown key"),
        ({"documents": {"search": 0.5, "selection": 0.1, "report": 0.1}}, "must be 1, not 0.7"),
        ({"space": {"depth": {"groups": 9}}}, "9 groups, but the models have 4 layers"),
        ({"space": {"density": [0.9, 0.1]}}, "space.density: [0.9, 0.1] is not a range"),
        (
            {"workers": {"gpus": 1.5}},
            "workers.gpus: 1.5 is neither a share of one GPU nor a whole number of them",
        ),
        ({"workers": {"gpu": 1}}, "workers.gpu: unknown key; did you mean 'gpus'?"),
        (
            {"space": {"depth": {"group": 4}}},
            "space.depth.group: unknown key; did you mean 'groups'?",
        ),
        (
            {"sampler": {"type": "auto", "evolution": {"parnts": 3}}},
            "sampler.auto.evolution.parnts: unknown key; did you mean 'parents'?",
        ),
        (
            {"objectives": {"x": {"mean": [{"task": "t", "metrik": "acc"}]}}},
            "objectives.x.mean.0.metrik: unknown key; did you mean 'metric'?",
        ),
        ({"workers": {"cpus": 0}}, "workers.cpus: Input should be greater than 0"),
        ({"seed": "x"}, "seed: Input should be a valid integer"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_fault_is_named_with_its_place_and_what_would_be_right(
    write, config, change, expected
):
    found = faults(write, {**config, **change})
    assert any(expected in fault for fault in found), found


def test_models_of_other_shapes_are_named_with_both_values(write, config, world):
    config["models"]["c"] = str(world / "wide")
    found = "\n".join(faults(write, config))
    assert "hidden_size is 32, base has 16" in found
    assert "is [40, 32], base has [40, 16]" in found


def test_all_faults_are_named_at_once_whatever_their_kind(write, config, world):
    config |= {
        "metods": [],
        "budget": {"trials": 0},
        "models": {"a": str(world / "a"), "b": "nowhere", "c": str(world / "wide")},
        "objectives": {
            "one": {"task": "pikc", "metric": "acc"},
            "two": {"task": "text", "metric": "acc"},
            "three": {"task": "pick", "metric": "acc", "direction": "minimize"},
        },
    }
    found = "\n".join(faults(write, config))
    for part in (
        "metods: unknown key",
        "budget.trials",
        "models.b: no model directory",
        "hidden_size is 32",
        "unknown task 'pikc'",
        "objectives.two.metric: task 'text' does not report 'acc'",
        "objectives.three.direction",
    ):
        assert part in found


def test_a_required_key_that_is_missing_is_named(write, config):
    del config["base"]
    assert faults(write, config) == ["base: is required and missing"]


def test_a_metric_that_comes_by_several_filters_must_name_one(write, config, tmp_path):
    metric = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
    take = [{"function": "take_first"}]
    write_task(
        tmp_path,
        "say",
        [{"q": str(i), "a": str(i)} for i in range(40)],
        output_type="generate_until",
        doc_to_text="{{q}}",
        doc_to_target="{{a}}",
        metric_list=[metric],
        filter_list=[{"name": "strict", "filter": take}, {"name": "loose", "filter": take}],
    )
    config |= {
        "tasks": str(tmp_path),
        "objectives": {"x": {"task": "say", "metric": "exact_match"}},
    }
    assert "comes by strict, loose; name one" in faults(write, config)[0]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        plan(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"not valid YAML|a config is a mapping"):
        plan(path)


def test_the_demo_config_is_the_search_that_the_demo_runs():
    written = yaml.safe_load((ROOT / "configs" / "demo.yaml").read_text())
    shipped = yaml.safe_load(yaml.safe_dump(written).replace("../demo/", ""))
    assert shipped.pop("run")
    assert shipped == SEARCH


def test_a_run_folder_is_never_taken_for_a_hub_id(write, config, tmp_path):
    assert plan(write({**config, "run": "runs/01"})).config.run == tmp_path / "runs" / "01"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"run": 5}, "run: "),
        ({"run": None}, "run: "),
        ({"run": ["a"]}, "run: "),
        ({"base": 5}, "base: "),
        ({"models": {1: "x", "b": "y"}}, "models.1: "),
        ({"models": {False: "x", "b": "y"}}, "models.0: "),
        ({"models": {"a": None, "b": "y"}}, "models.a: "),
        ({"objectives": {1: {"task": "pick", "metric": "acc"}}}, "objectives.1: "),
        ({"methods": [1]}, "methods.0: "),
        ({"methods": [["x"]]}, "methods.0: "),
        ({"methods": [{"a": 1}]}, "methods.0: "),
        ({1: 2}, "1: "),
    ],
    ids=str,
)
def test_a_value_of_the_wrong_type_is_named_with_its_field(write, config, change, place):
    assert any(fault.startswith(place) for fault in faults(write, {**config, **change}))


@pytest.mark.parametrize(
    ("space", "place"),
    [
        ({"weight": [1]}, "space.weight.range: "),
        ({"weight": "x"}, "space.weight.value: "),
        ({"weight": {"value": 1, "range": [0, 1]}}, "space.weight: range and value contradict"),
        ({"weight": {"models": {"a": [1]}}}, "space.weight.models.a.range: "),
        ({"membership": {"least": 0}}, "space.membership.least: 0 would let"),
        ({"membership": 5}, "space.membership: "),
    ],
    ids=str,
)
def test_one_slip_in_the_space_is_one_fault_with_the_path_that_was_written(
    write, config, space, place
):
    (fault,) = faults(write, {**config, "space": space})
    assert fault.startswith(place)


def test_faults_of_space_sampler_and_recipes_are_named_beside_all_others(write, config, tmp_path):
    (tmp_path / "own.yaml").write_text("method: ties; or not")
    config |= {
        "budget": {"trials": 0},
        "space": {"depth": {"groups": 99}, "membership": {"optional": ["z"]}, "lambda": 50},
        "sampler": {"type": "cmaes"},
        "recipes": ["own.yaml", "none.yaml"],
    }
    found = faults(write, config)
    places = ("budget.trials: ", "space.weight: ", "space.membership.optional: ", "space.lambda: ")
    for place in (*places, "sampler: cmaes", "recipes.0: ", "recipes.1: "):
        assert sum(fault.startswith(place) for fault in found) == 1, (place, found)
    assert all(fault.startswith((*places, "space.", "sampler: ", "recipes.")) for fault in found)


def test_a_recipe_of_another_model_is_refused_by_its_fingerprint(write, config, tmp_path):
    own = {
        "method": "linear",
        "models": {name: {"path": config["models"][name], "fingerprint": "00"} for name in "ab"},
        "groups": [{"parameters": {"weight": 1.0}}],
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    (fault,) = faults(write, {**config, "recipes": ["own.yaml"]})
    assert fault.startswith("recipes.0: ")
    assert "has fingerprint 00" in fault


def test_a_key_that_stands_twice_is_named_with_both_lines(write, config):
    path = write(config)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "budget: {trials: 5}"]))
    first = lines.index("budget:") + 1
    with pytest.raises(ConfigError, match=f"'budget' .* lines {first} and {len(lines) + 1}"):
        plan(path)


def test_a_merged_key_may_be_overridden(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("base: &b {path: x, revision: v1}\nmodels: {a: {<<: *b, revision: v2}, b: y}\n")
    assert ConfigFile(path)["models"]["a"] == Source("x", "v2")


def test_an_unknown_task_stands_at_its_objective(write, config):
    config["objectives"]["text"]["task"] = "txet"
    (fault,) = faults(write, config)
    assert fault.startswith("objectives.text.task: unknown task 'txet'")


def test_tasks_are_not_looked_for_where_their_folder_cannot_be_read(write, config):
    (fault,) = faults(write, {**config, "tasks": 5})
    assert fault.startswith("tasks: ")


@pytest.mark.parametrize("run", ["", ".", "./", "x/.."])
def test_the_configs_own_folder_is_no_run(write, config, run):
    (fault,) = faults(write, {**config, "run": run})
    assert fault.startswith("run: ")
    assert "the config's own folder" in fault

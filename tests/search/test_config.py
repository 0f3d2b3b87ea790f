"""Invalid input gets one clear message with every error, before anything is started."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from search.cli.demo import SEARCH
from search.config import ConfigError, ConfigFile, make_plan
from search.samplers import Auto
from tests.search.conftest import write_task
from workers.recipe import Source

ROOT = Path(__file__).parents[2]


def errors(write, config) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        make_plan(write(config))
    assert str(caught.value).startswith(f"{write(config)}: {len(caught.value.errors)} error")
    return caught.value.errors


def test_a_valid_config_becomes_a_plan(write, config):
    plan = make_plan(write(config))
    assert [(o.name, o.metrics[0].key, o.direction) for o in plan.objectives] == [
        ("picks", "acc,none", "maximize"),
        ("text", "bits_per_byte,none", "minimize"),
    ]
    assert list(plan.models) == ["a", "b", "c"]
    assert all(source.fingerprint for source in plan.models.values())


def test_settings_of_the_earlier_auto_are_ignored_with_a_warning(write, config, caplog):
    old = {"type": "auto", "startup": 24, "gp_axes": 60, "evolution": {"startup": 24}}
    assert make_plan(write({**config, "sampler": old})).config.sampler == Auto()
    assert "auto has no settings any more; ignored: evolution, gp_axes, startup" in caplog.text


def test_preferred_objectives_are_weighted_in_means_and_the_others_count_nothing(write, config):
    assert [each.weight for each in make_plan(write(config)).objectives] == [1.0, 1.0]
    plan = make_plan(write({**config, "prefer": {"picks": 2}}))
    assert {each.name: each.weight for each in plan.objectives} == {"picks": 2.0, "text": 0.0}


def test_paths_are_relative_to_the_file(write, config, world, tmp_path):
    (tmp_path / "link").symlink_to(world)
    config |= {"base": "link/base", "tasks": "link/tasks", "run": "my-run"}
    plan = make_plan(write(config))
    assert plan.config.run == tmp_path / "my-run"
    assert plan.base.path == str(world / "base")


def test_stages_need_documents_and_are_kept_with_their_defaults(write, config):
    assert make_plan(write(config)).stages.sizes == ()  # auto: too few documents
    chosen = {"sizes": [16], "confidence": 0.9, "tolerance": {"picks": 0.02}}
    plan = make_plan(write({**config, "stages": chosen}))
    rules = plan.stages
    assert (rules.sizes, rules.confidence, rules.tolerance) == ((16,), 0.9, {"picks": 0.02})
    assert yaml.safe_load(plan.config.to_yaml())["stages"] == chosen
    assert make_plan(write({**config, "stages": False})).stages.sizes == ()  # YAML's `off`


def test_stages_of_a_task_that_draws_at_random_are_refused(write, config, tmp_path):
    (tmp_path / "tasks").mkdir()
    write_task(
        tmp_path / "tasks",
        "say",
        [{"q": f"q{i}", "a": "x"} for i in range(60)],
        output_type="generate_until",
        doc_to_text="{{q}}",
        doc_to_target="{{a}}",
        generation_kwargs={"until": ["."], "do_sample": True, "temperature": 1.0},
        metric_list=[{"metric": "exact_match"}],
    )
    objectives = {"say": {"task": "say", "metric": "exact_match"}}
    random = {**config, "tasks": str(tmp_path / "tasks"), "objectives": objectives}
    assert make_plan(write({**random, "documents": "all"})).stages.sizes == ()
    (error,) = errors(write, {**random, "stages": [16]})
    assert error.startswith("stages.sizes: say draws tokens at random, so scores of a part of")


@pytest.mark.parametrize("layers", [None, [[0, 2], [1, 4]]])
def test_a_resolved_config_is_a_config(write, config, layers):
    config["base"] = {"path": config["base"], "layers": layers}
    config["models"] = {n: {"path": p, "layers": layers} for n, p in config["models"].items()}
    plan = make_plan(write(config))
    assert plan.space.n_layers == (5 if layers else 4)
    path = Path(plan.config.run).parent / "again.yaml"
    path.write_text(plan.config.to_yaml())
    assert make_plan(path).config == plan.config


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"metods": ["linear"]}, "metods: unknown key; did you mean 'methods'?"),
        ({"budget": {"trial": 5}}, "budget.trial: unknown key; did you mean 'trials'?"),
        ({"budget": {"trials": 0}}, "budget.trials: must be greater than 0 (got 0)"),
        ({"methods": ["tie"]}, "methods.0: unknown merge method 'tie'; did you mean 'ties'?"),
        ({"methods": []}, "methods: needs at least 1, not 0"),
        ({"objectives": {}}, "objectives: needs at least 1, not 0"),
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
        ({"models": {"a": "nowhere", "b": "nowhere"}}, "models.a: model directory "),
        ({"base": "nowhere"}, "base: model directory "),
        (
            {"models": {"base": "x", "b": "y"}},
            "models.base: 'base' cannot be a name; it is reserved",
        ),
        ({"models": {"uniform": "x", "b": "y"}}, "models.uniform: 'uniform' cannot be a name"),
        ({"models": {"lambda": "x", "b": "y"}}, "models.lambda: 'lambda' cannot be a name"),
        ({"models": {"7b": "x", "b": "y"}}, "models.7b: '7b' cannot be a name; it must begin with"),
        ({"models": {"a-b": "x", "a_b": "y"}}, "models: 'a-b' and 'a_b' differ only in - and _"),
        ({"sampler": {"type": "tp"}}, "sampler.type: unknown type 'tp'; did you mean 'tpe'?"),
        ({"sampler": {"type": "tpe", "populaton": 1}}, "sampler.tpe.populaton: unknown key"),
        ({"documents": {"search": 0.5, "selection": 0.1, "report": 0.1}}, "must be 1, not 0.7"),
        ({"space": {"depth": {"groups": 9}}}, "9 groups, but the models have 4 layers"),
        ({"space": {"density": [0.9, 0.1]}}, "space.density: [0.9, 0.1] is not a range"),
        (
            {"workers": {"gpus": 1.5}},
            "workers.gpus: 1.5 is neither a fraction of one GPU nor a whole number of them",
        ),
        ({"workers": {"gpu": 1}}, "workers.gpu: unknown key; did you mean 'gpus'?"),
        (
            {"space": {"depth": {"group": 4}}},
            "space.depth.group: unknown key; did you mean 'groups'?",
        ),
        ({"seed": -1}, "seed: must be greater than or equal to 0 (got -1)"),
        ({"seed": 2**63}, "seed: must be less than 9223372036854775808"),
        (
            {"prefer": "median"},
            "prefer: 'median' is neither `front`, `mean` nor weights by objective",
        ),
        ({"prefer": {"pics": 2}}, "prefer.pics: is not an objective; did you mean 'picks'?"),
        (
            {"verdict": "best"},
            "verdict: 'best' is neither `knee`, `mean`, `best:OBJECTIVE` nor `false`",
        ),
        ({"verdict": "best:pics"}, "verdict: 'pics' is not an objective; did you mean 'picks'?"),
        (
            {"verdict": "knee", "documents": "all"},
            "verdict: `documents` leaves no report documents",
        ),
        ({"prefer": {}}, "prefer: gives no objective a weight"),
        (
            {"prefer": "mean", "sampler": {"type": "tpe"}},
            "prefer: only the sampler auto searches for a mean, not tpe",
        ),
        (
            {"sampler": {"type": "evolution"}},
            "sampler.type: unknown type 'evolution'; this sampler was removed, replace",
        ),
        ({"sampler": {"type": "nsga"}}, "sampler.type: unknown type 'nsga'; did you mean 'nsga"),
        (
            {"sampler": {"type": "nsga2", "populaton": 3}},
            "sampler.nsga2.populaton: unknown key; did you mean 'population'?",
        ),
        (
            {"objectives": {"x": {"mean": [{"task": "t", "metrik": "acc"}]}}},
            "objectives.x.mean.0.metrik: unknown key; did you mean 'metric'?",
        ),
        ({"workers": {"cpus": 0}}, "workers.cpus: must be greater than or equal to 0.01"),
        ({"seed": "x"}, "seed: must be a whole number"),
        ({"stages": "on"}, "stages.sizes: 'on' is neither `off`, `auto` nor a list such as [64"),
        ({"stages": True}, "stages.sizes: True is neither `off`, `auto` nor a list such as [64"),
        ({"stages": 64}, "stages.sizes: 64 is neither `off`, `auto` nor a list such as [64"),
        ({"stages": []}, "stages.sizes: [] is neither `off`, `auto` nor a list such as [64"),
        ({"stages": [8]}, "stages.sizes: 8 is no size of a stage; give 16 documents or more"),
        ({"stages": ["x"]}, "stages.sizes: 'x' is no size of a stage"),
        ({"stages": [64, 16]}, "stages.sizes: the sizes [64, 16] must rise from stage to stage"),
        ({"stages": [64, 64]}, "stages.sizes: the sizes [64, 64] must rise from stage to stage"),
        ({"stages": {"size": [16]}}, "stages.size: unknown key; did you mean 'sizes'?"),
        ({"stages": {"confidence": 1}}, "stages.confidence: must be less than 1 (got 1)"),
        (
            {"stages": {"tolerance": {"pics": 0.1}}},
            "stages.tolerance.pics: is not an objective; did you mean 'picks'?",
        ),
        ({"stages": {"tolerance": {"picks": -1}}}, "stages.tolerance.picks: must be great"),
        (
            {"stages": [32, 64]},
            "stages.sizes: the first stage has 32 documents of each task, and no task has more "
            "than ",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_error_names_its_key_and_a_valid_value(write, config, change, expected):
    found = errors(write, {**config, **change})
    assert any(expected in error for error in found), found


def test_many_errors_and_long_values_are_shown_shortly(write, config):
    unknown = {f"key{i}": 1 for i in range(1000)}
    found = errors(write, {**config, "seed": ["x" * 9000] * 50, "x" * 9000: 1, **unknown})
    assert len(found) == 101
    assert found[-1] == "there are 902 more errors, which are shown once these are corrected"
    assert sum(map(len, found)) < 50_000


def test_models_of_different_shapes_are_reported_with_both_values(write, config, world):
    config["models"]["c"] = str(world / "wide")
    found = "\n".join(errors(write, config))
    assert "hidden_size is 32, base has 16" in found
    assert "is [40, 32], base has [40, 16]" in found


def test_a_base_without_a_tokenizer_is_an_error_before_anything_is_started(
    write, config, world, tmp_path
):
    bare = tmp_path / "bare"
    shutil.copytree(world / "c", bare, ignore=shutil.ignore_patterns("tokenizer*"))
    (error,) = errors(write, {**config, "base": str(bare)})
    assert error.startswith(f"{bare}: has no tokenizer files (tokenizer.json, ")


def test_what_the_file_alone_reveals_is_reported_together_before_anything_is_read(
    write, config, world, monkeypatch
):
    def read(*_: object) -> None:
        raise AssertionError("the models are read")

    monkeypatch.setattr("search.config.plan._examine_models", read)
    config |= {
        "metods": [],
        "budget": {"trials": 0},
        "models": {"a": str(world / "a"), "b": "nowhere", "c": str(world / "wide")},
        "sampler": {"type": "cmaes"},
        "tokenizer": "z",
        "recipes": ["none.yaml"],
    }
    found = "\n".join(errors(write, config))
    for part in (
        "metods: unknown key",
        "budget.trials",
        "models.b: model directory",
        "sampler: cmaes needs one objective",
        "tokenizer 'z' is not",
        "none.yaml does not exist",
    ):
        assert part in found


def test_errors_of_models_and_tasks_are_reported_together(write, config, world):
    config |= {
        "models": {"a": str(world / "a"), "c": str(world / "wide")},
        "objectives": {
            "one": {"task": "pikc", "metric": "acc"},
            "two": {"task": "text", "metric": "acc"},
            "three": {"task": "pick", "metric": "acc", "direction": "minimize"},
        },
    }
    found = "\n".join(errors(write, config))
    for part in (
        "hidden_size is 32",
        "unknown task 'pikc'",
        "objectives.two.metric: task 'text' does not report 'acc'",
        "objectives.three.direction",
    ):
        assert part in found


def test_a_missing_required_key_is_reported(write, config):
    del config["base"]
    assert errors(write, config) == ["base: is required and missing"]


def test_a_metric_with_several_filters_must_name_one(write, config, tmp_path):
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
    assert "with the filters strict, loose; name one" in errors(write, config)[0]


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        make_plan(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"not valid YAML|a config is a mapping"):
        make_plan(path)


def test_the_demo_config_describes_the_search_of_the_demo():
    written = yaml.safe_load((ROOT / "configs" / "demo.yaml").read_text())
    shipped = yaml.safe_load(yaml.safe_dump(written).replace("../demo/", ""))
    assert shipped.pop("run")
    assert shipped == SEARCH


def test_a_run_folder_is_never_read_as_a_hub_id(write, config, tmp_path):
    assert make_plan(write({**config, "run": "runs/01"})).config.run == tmp_path / "runs" / "01"


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
def test_a_value_of_the_wrong_type_is_reported_with_its_key(write, config, change, place):
    assert any(error.startswith(place) for error in errors(write, {**config, **change}))


@pytest.mark.parametrize(
    ("space", "place"),
    [
        ({"weight": [1]}, "space.weight.range: "),
        ({"weight": "x"}, "space.weight.value: "),
        ({"weight": {"value": 1, "range": [0, 1]}}, "space.weight: range and value contradict"),
        ({"weight": {"models": {"a": [1]}}}, "space.weight.models.a.range: "),
        ({"membership": {"least": 0}}, "space.membership.least: 0 would allow"),
        ({"membership": 5}, "space.membership: "),
    ],
    ids=str,
)
def test_one_mistake_in_the_space_is_one_error_with_the_path_in_the_file(
    write, config, space, place
):
    (error,) = errors(write, {**config, "space": space})
    assert error.startswith(place)


def test_errors_in_space_and_recipes_are_reported_together(write, config, tmp_path):
    for name in ("own.yaml", "other.yaml"):
        (tmp_path / name).write_text("method: ties; or not")
    config |= {
        "space": {"depth": {"groups": 99}, "membership": {"optional": ["z"]}, "lambda": 50},
        "recipes": ["own.yaml", "other.yaml"],
    }
    found = errors(write, config)
    places = ("space.weight: ", "space.membership.optional: ", "space.lambda: ")
    for place in (*places, "recipes.0: ", "recipes.1: "):
        assert sum(error.startswith(place) for error in found) == 1, (place, found)
    assert all(error.startswith((*places, "space.", "recipes.")) for error in found)


def test_a_recipe_of_another_model_is_refused_by_its_fingerprint(write, config, tmp_path):
    own = {
        "method": "linear",
        "models": {name: {"path": config["models"][name], "fingerprint": "00"} for name in "ab"},
        "groups": [{"parameters": {"weight": 1.0}}],
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    (error,) = errors(write, {**config, "recipes": ["own.yaml"]})
    assert error.startswith("recipes.0: ")
    assert "has fingerprint 00" in error


def test_a_duplicate_key_is_reported_with_both_lines(write, config):
    path = write(config)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "budget: {trials: 5}"]))
    first = lines.index("budget:") + 1
    with pytest.raises(ConfigError, match=f"'budget' .* lines {first} and {len(lines) + 1}"):
        make_plan(path)


def test_a_key_from_a_yaml_merge_may_be_overridden(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("base: &b {path: x, revision: v1}\nmodels: {a: {<<: *b, revision: v2}, b: y}\n")
    assert ConfigFile(path)["models"]["a"] == Source("x", "v2")


def test_an_unknown_task_is_reported_with_its_objective(write, config):
    config["objectives"]["text"]["task"] = "txet"
    (error,) = errors(write, config)
    assert error.startswith("objectives.text.task: unknown task 'txet'")


def test_tasks_are_not_loaded_if_the_key_of_their_folder_is_invalid(write, config):
    (error,) = errors(write, {**config, "tasks": 5})
    assert error.startswith("tasks: ")


@pytest.mark.parametrize("run", ["", ".", "./", "x/.."])
def test_the_run_cannot_be_the_folder_of_the_config(write, config, run):
    (error,) = errors(write, {**config, "run": run})
    assert error.startswith("run: ")
    assert "the config's own folder" in error

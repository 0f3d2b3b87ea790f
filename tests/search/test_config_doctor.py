"""`mergefront doctor` of models and of a config, printed as tables and as JSON."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from search.cli.app import app
from search.config import ConfigError, make_plan
from tests.search.conftest import write_task


@pytest.fixture
def doctor():
    return lambda *arguments: CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def test_models_that_can_be_merged_pass(doctor, world: Path):
    done = doctor(world / "base", world / "a", world / "b")
    assert done.exit_code == 0
    assert "3 models can be merged" in done.output
    assert "B for each worker" in done.output


def test_models_that_cannot_be_merged_are_wrong_input(doctor, world: Path):
    done = doctor(world / "base", world / "wide", "--json")
    assert done.exit_code == 2
    content = json.loads(done.stdout)
    assert content["version"] == 1
    assert content["estimate"] is None
    assert any("hidden_size is 32, base has 16" in error for error in content["errors"])
    assert {finding["level"] for finding in content["findings"]} >= {"error"}


def test_errors_of_a_config_can_be_json(doctor, write, config):
    done = doctor(write({**config, "metods": []}), "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["errors"] == ["metods: unknown key; did you mean 'methods'?"]


def test_deep_shows_and_draws_where_models_conflict(doctor, world: Path, tmp_path):
    page = tmp_path / "deep.html"
    done = doctor(world / "base", world / "a", world / "b", "--picture", page)
    assert done.exit_code == 0
    assert "Task vectors" in done.output
    assert page.read_text().startswith("<!doctype html>")
    content = json.loads(doctor(world / "base", world / "a", "--deep", "--json").stdout)
    assert content["deep"][0].keys() == {
        "layer",
        "module",
        "entries",
        "norms",
        "cosines",
        "conflict",
    }


def test_the_json_of_a_config_has_its_estimates(doctor, write, config):
    content = json.loads(doctor(write(config), "--json").stdout)
    assert content["errors"] == []
    assert content["estimate"]["export_disk"] > 0
    assert content["trials"] == 12
    assert content["trials_wanted"] == 5 * len(content["parameters"])
    assert content["stages"] == []
    assert content["baselines"] > 12


def test_a_config_is_shown_with_its_space_and_the_trials_that_it_needs(doctor, write, config):
    done = doctor(write({**config, "documents": "all", "stages": [16, 32]}))
    assert done.exit_code == 0
    stages = "candidates are scored on 16, 32 documents of each task, then on all 80"
    said = " ".join(done.output.split())
    assert "which leaves none of 12 for the search; better raise `budget: {trials: " in said
    for part in ("Space", "lambda", "0.2 to 3, log", "trials besides the baselines", stages):
        assert part in said


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"do_sample": True, "temperature": 0.7}, "do_sample: true"),
        ({"temperature": 0.7}, "temperature: 0.7"),
        ({"do_sample": False, "temperature": 0.7}, None),
        ({"temperature": 0.0}, None),
    ],
)
def test_a_task_that_samples_is_a_warning_that_says_what_it_costs(
    settings, cause, doctor, config, write, tmp_path, monkeypatch
):
    (tmp_path / "tasks").mkdir()
    write_task(
        tmp_path / "tasks",
        "draw",
        [{"q": f"q{i}", "a": "x"} for i in range(20)],
        output_type="generate_until",
        doc_to_text="{{q}}",
        doc_to_target="a",
        generation_kwargs={"until": ["."], "max_gen_toks": 2, **settings},
        metric_list=[{"metric": "exact_match"}],
    )
    objectives = {"draw": {"task": "draw", "metric": "exact_match"}}
    file = write({**config, "tasks": str(tmp_path / "tasks"), "objectives": objectives})
    warnings = json.loads(doctor(file, "--json").stdout)["warnings"]
    assert len(warnings) == bool(cause)
    for warning in warnings:
        assert warning.startswith(f"task draw: draws its tokens at random ({cause}): part of a di")
        assert "scores of other documents or with another batch size are of other draws" in warning
        monkeypatch.setattr("search.cli.search.run_session", lambda *_: None)
        assert f"warning: {warning}" in CliRunner().invoke(app, ["search", str(file)]).output


def test_an_engine_that_is_not_installed_is_named_with_what_to_do(config, write):
    scoring = {"engine": "vllm", "vllm": {"max_model_len": 64}}
    file = write({**config, "scoring": scoring})
    if find_spec("vllm") is None:
        with pytest.raises(ConfigError, match=r"vllm is not installed in .*mergefront\[vllm\]"):
            make_plan(file)
    elsewhere = {"runtime_env": {"py_executable": "/opt/vllm/bin/python"}}
    plan = make_plan(write({**config, "scoring": scoring, "workers": elsewhere}))
    assert plan.suite.engine == "vllm"
    assert make_plan(write({**config, "scoring": {"engine": "auto"}})).config.scoring.engine == "hf"


def test_an_impossible_setting_of_vllm_is_named_with_its_key(config, write):
    settings = {"tensor_parallel_size": 2, "gpu_memory_utilization": 2, "dtyp": "bfloat16"}
    with pytest.raises(ConfigError) as error:
        make_plan(write({**config, "scoring": {"engine": "vllm", "vllm": settings}}))
    text = str(error.value)
    assert "scoring.vllm.tensor_parallel_size: 2 is not supported" in text
    assert "scoring.vllm.gpu_memory_utilization: must be less than or equal to 1" in text
    assert "scoring.vllm.dtyp: unknown key; did you mean 'dtype'?" in text


@pytest.mark.parametrize(
    ("gpus", "message"),
    [
        (2, "workers.gpus: 2, and the engine vllm uses one GPU; set it to 1, or set"),
        (0.25, "gpu_memory_utilization: 0.5, and `workers.gpus: 0.25` lets 4 workers share a GPU"),
    ],
)
def test_gpus_that_the_workers_vllm_cannot_use_are_named(gpus, message, config, write):
    workers = {"gpus": gpus, "runtime_env": {"py_executable": "/opt/vllm/bin/python"}}
    with pytest.raises(ConfigError) as error:
        make_plan(write({**config, "scoring": {"engine": "vllm"}, "workers": workers}))
    assert message in str(error.value)
    make_plan(write({**config, "scoring": {"engine": "hf"}, "workers": workers}))


def test_one_function_with_two_numbers_of_documents_is_named(config, write, monkeypatch, tmp_path):
    (tmp_path / "brief.py").write_text("def brevity(model, tokenizer, ids): ...")
    monkeypatch.syspath_prepend(tmp_path)
    objectives = {
        name: {"python": "brief:brevity", "documents": documents, "direction": "maximize"}
        for name, documents in (("one", 40), ("other", 50))
    }
    scoring = {"allow_code": ["brief:brevity"]}
    with pytest.raises(ConfigError) as error:
        make_plan(write({**config, "objectives": objectives, "scoring": scoring}))
    assert "objectives.other.documents: 50, and objectives.one has the same function with 40" in (
        str(error.value)
    )


@pytest.mark.parametrize(("gpus", "engine"), [(None, "vllm"), (0.5, "vllm"), (0, "hf"), (2, "hf")])
def test_auto_is_hf_for_workers_that_vllm_cannot_use(gpus, engine, config, write, monkeypatch):
    monkeypatch.setattr("evaluators.suite.best_engine", lambda: "vllm")
    workers = {"gpus": gpus, "runtime_env": {"py_executable": "/opt/vllm/bin/python"}}
    plan = make_plan(write({**config, "scoring": {"engine": "auto"}, "workers": workers}))
    assert plan.config.scoring.engine == engine

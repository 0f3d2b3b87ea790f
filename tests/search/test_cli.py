"""What a person meets at the terminal: help at once, one message for wrong input, exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml
from typer.testing import CliRunner

from search.cli.app import app
from search.config import plan
from search.ledger.trial import Trial
from tests.search.conftest import begin_scored
from tests.search.test_driver import evaluate
from workers.pool import InProcessPool

HEAVY = ("torch", "transformers", "ray", "lm_eval", "optuna", "pyarrow", "numpy")
COMMANDS = ("doctor", "search", "resume", "status", "front", "export", "merge", "demo")


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def finished(write, config):
    """A run whose first trials are scored, written by the ledger alone."""
    return begin_scored(plan(write(config)), texts=(3.0, 3.0, 3.0, 3.0, 2.0))


def test_help_imports_nothing_heavy():
    """Which is what makes it instant; a timed test would judge the machine."""
    code = f"import sys, search.cli; print([m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run, command):
    said = run(command, "--help")
    assert said.exit_code == 0
    assert f"Example: mergefront {command}" in said.output


@pytest.mark.parametrize("command", ["search", "doctor"])
def test_wrong_input_gets_one_message_and_exit_status_2(run, write, config, command):
    said = run(command, write({**config, "metods": []}))
    assert said.exit_code == 2
    assert "1 fault\n  metods: unknown key; did you mean 'methods'?" in said.output
    assert "Traceback" not in said.output


@pytest.mark.parametrize("command", ["status", "front", "resume"])
def test_a_folder_that_is_no_run_gets_exit_status_2(run, tmp_path, command):
    said = run(command, tmp_path)
    assert said.exit_code == 2
    assert "is not a run" in said.output


def test_front_shows_the_front_beside_base_models_and_uniform_soup(run, finished):
    lines = run("front", finished.root).output.splitlines()
    table = [line for line in lines if line.startswith("│")]
    assert "uniform soup  ← knee" in table[0]
    assert [line.split("│")[-2].strip() for line in table[1:]] == [
        "base",
        "a",
        "b",
        "c",
        "uniform soup",
    ]


def test_front_as_json_keeps_its_contract(run, finished):
    content = json.loads(run("front", finished.root, "--json").output)
    assert content["version"] == 1
    assert content["objectives"] == {"picks": "maximize", "text": "minimize"}
    assert content["base"] == {"picks": 0.0, "text": 3.0}
    assert set(content["models"]) == {"a", "b", "c"}
    (member,) = content["front"]
    assert (member["trial"], member["scores"]) == (4, {"picks": 0.4, "text": 2.0})
    assert member["digest"] == finished.trials()[4].proposal.recipe.digest


def test_status_as_json_keeps_its_contract(run, finished):
    content = json.loads(run("status", finished.root, "--json").output)
    assert content["state"] == "stopped"
    assert content["trials"]["scored"] == content["trials"]["proposed"] == 5
    assert (content["front"], content["best"]) == (1, {"picks": 0.4, "text": 2.0})
    assert content["budget"]["trials"] == 12


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--pick", "best"], "cannot pick 'best'; choose one of knee, best:picks, best:text"),
        (["--trial", "9"], "trial 9 has no scores: there is no such trial"),
    ],
)
def test_a_pick_that_cannot_be_is_refused(run, finished, tmp_path, options, expected):
    said = run("export", finished.root, tmp_path / "out", *options)
    assert said.exit_code == 2
    assert expected in said.output


def test_an_exported_model_is_never_written_over_another(run, finished, tmp_path):
    kept = tmp_path / "out"
    kept.mkdir()
    (kept / "mine").touch()
    said = run("export", finished.root, kept)
    assert said.exit_code == 2
    assert "exists already" in said.output
    assert [each.name for each in kept.iterdir()] == ["mine"]


def test_searching_into_a_run_that_is_there_says_how_to_go_on(run, finished, write, config):
    said = run("search", write(config))
    assert said.exit_code == 2
    assert f"go on with it by `mergefront resume {finished.root}`" in said.output


def test_resuming_a_spent_budget_starts_nothing_and_shows_the_front(run, finished):
    said = run("resume", finished.root, "--trials", "5")
    assert said.exit_code == 0
    assert "nothing to do: its budget of 5 trials is spent" in said.stderr
    assert "Pareto front" in said.stdout


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_budget_of_scorings_that_is_spent_starts_nothing_either(
    run, finished, write, config, log_format
):
    proposal = next(iter(finished.proposals().values()))
    finished.finish(Trial(proposal, "scored", 0, {"picks": 0.0, "text": 3.0}, share=1.0))
    other = write({**config, "budget": {"trials": 12, "scorings": 1}})
    options = ["--config", other, "--log-format", log_format]
    said = run("resume", finished.root, *options)
    assert said.exit_code == 0
    assert "nothing to do: its budget of 1 full scorings is spent" in said.stderr


def test_a_search_says_at_its_end_why_it_ended(run, finished, monkeypatch):
    monkeypatch.setattr("search.runs.search.ray_pool", lambda *_: InProcessPool(evaluate, 2))
    said = run("resume", finished.root)
    assert said.exit_code == 0
    assert said.stderr.splitlines()[-1] == "the search is over: its budget of 12 trials is spent"


def test_doctor_says_that_a_config_will_run_and_lists_its_parameters(run, write, config):
    path = write(config)
    said = run("doctor", path)
    assert said.exit_code == 0
    content = json.loads(run("doctor", path, "--json").output)
    assert content["version"] == 1
    assert "weight[a].1" in content["parameters"]


def test_merge_makes_a_model_that_transformers_loads(run, world, tmp_path):
    from transformers import AutoModelForCausalLM

    recipe = {
        "method": "ties",
        "base": str(world / "base"),
        "models": {name: str(world / name) for name in "ab"},
        "groups": [{"parameters": {"weight": 1.0, "density": 0.5}}],
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    said = run("merge", path, tmp_path / "out")
    assert said.exit_code == 0, said.output
    model, report = AutoModelForCausalLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.num_parameters() > 0

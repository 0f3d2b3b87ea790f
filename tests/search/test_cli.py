"""The command line: fast help, one message for wrong input, exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from evaluators.scores import Estimate
from search.cli.app import app
from search.config import make_plan
from search.ledger import Trial
from tests.search.conftest import begin_scored
from tests.search.test_driver import evaluate
from workers.pool import InProcessPool

HEAVY = ("torch", "transformers", "ray", "lm_eval", "optuna", "pyarrow", "numpy")
COMMANDS = ("doctor", "search", "resume", "status", "front", "verdict", "export", "merge", "demo")


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def finished(write, config):
    """A run whose baselines are scored, written by the ledger alone."""
    return begin_scored(make_plan(write(config)), texts=(3.0, 3.0, 3.0, 3.0, 2.0))


def test_help_imports_nothing_heavy():
    """Imports decide how fast help is; a time limit would test the machine."""
    code = f"import sys, search.cli; print([m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_program_ends_without_collecting_what_it_has_loaded():
    """With torch and lm-eval these collections take seconds after the last line."""
    code = """
import atexit, gc, sys
from search.cli import main
atexit.register(lambda: print(gc.get_freeze_count()))
sys.argv[1:] = ["--version"]
main()
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout.splitlines()[-1]) > 10_000


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(run, command):
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"Example: mergefront {command}" in done.output


@pytest.mark.parametrize("command", ["search", "doctor"])
def test_wrong_input_gets_one_message_and_exit_status_2(run, write, config, command):
    done = run(command, write({**config, "metods": []}))
    assert done.exit_code == 2
    assert "1 error\n  metods: unknown key; did you mean 'methods'?" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["status", "front", "resume", "verdict"])
def test_a_folder_without_a_run_gets_exit_status_2(run, tmp_path, command):
    done = run(command, tmp_path)
    assert done.exit_code == 2
    assert "is not a run" in done.output


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
    content = json.loads(run("front", finished.root, "--json").stdout)
    assert content["version"] == 1
    assert content["objectives"] == {"picks": "maximize", "text": "minimize"}
    assert content["base"] == {"picks": 0.0, "text": 3.0}
    assert set(content["models"]) == {"a", "b", "c"}
    (member,) = content["front"]
    assert (member["trial"], member["scores"]) == (4, {"picks": 0.4, "text": 2.0})
    assert member["digest"] == finished.trials()[4].proposal.recipe.digest


def test_status_as_json_keeps_its_contract(run, finished):
    content = json.loads(run("status", finished.root, "--json").stdout)
    assert content["state"] == "stopped"
    assert content["trials"]["scored"] == content["trials"]["proposed"] == 5
    assert (content["front"], content["best"]) == (1, {"picks": 0.4, "text": 2.0})
    assert content["budget"]["trials"] == 12
    assert {how: pick["trial"] for how, pick in content["picks"].items()} == {"mean": 4, "knee": 4}
    lines = run("status", finished.root).output
    assert "front: 1 trial" in lines
    assert "best by mean: " in lines
    assert "by knee: " in lines
    assert "(0 = the worst of base and models, 1 = the best)" in lines


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--pick", "best"], "cannot pick 'best'; choose one of knee, mean, best:picks, best:text"),
        (["--trial", "9"], "trial 9 has no scores: there is no such trial"),
    ],
)
def test_an_invalid_pick_is_refused(run, finished, tmp_path, options, expected):
    done = run("export", finished.root, tmp_path / "out", *options)
    assert done.exit_code == 2
    assert expected in done.output


def test_a_stopped_trial_is_shown_and_cannot_be_chosen(run, finished, tmp_path):
    (last,) = (trial for trial in finished.trials() if trial.label == "uniform soup")
    cause = "no better than trial 4 on any objective after 128 of 600 documents (stage 1)"
    proposal = replace(last.proposal, number=5, label=None)
    estimates = {"picks": Estimate(0.9, 0.05, 64), "text": Estimate(0.1, 0.02, 64)}
    finished.propose(proposal)
    finished.finish(Trial(proposal, "stopped", 5, cause=cause, documents=128, estimates=estimates))
    for command in (["export", finished.root, tmp_path / "out"], ["verdict", finished.root]):
        done = run(*command, "--trial", "5")
        assert done.exit_code == 2
        assert f"trial 5 has only estimates of scores: it is stopped, {cause}" in done.output
    shown = run("show", finished.root, 5).output
    assert "trial 5: stopped" in shown
    assert "with standard errors: picks 0.9000 ± 0.0500 (64 documents)  text 0.1000" in shown
    (member,) = json.loads(run("front", finished.root, "--json").output)["front"]
    assert member["trial"] == 4


def test_an_export_never_overwrites_another_folder(run, finished, tmp_path):
    kept = tmp_path / "out"
    kept.mkdir()
    (kept / "mine").touch()
    done = run("export", finished.root, kept)
    assert done.exit_code == 2
    assert "exists already" in done.output
    assert [each.name for each in kept.iterdir()] == ["mine"]


def test_a_search_into_an_existing_run_says_how_to_resume_it(run, finished, write, config):
    done = run("search", write(config))
    assert done.exit_code == 2
    assert f"continue it by `mergefront resume {finished.root}`" in done.output


def test_resuming_with_a_spent_budget_starts_nothing_and_prints_the_front(run, finished):
    done = run("resume", finished.root, "--trials", "5")
    assert done.exit_code == 0
    assert "nothing to do: its budget of 5 trials is spent" in done.stderr
    assert f"mergefront resume {finished.root} --trials 10" in " ".join(done.stderr.split())
    assert "Pareto front" in done.stdout


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_resuming_with_a_spent_budget_of_scorings_starts_nothing(
    run, finished, write, config, log_format
):
    proposal = next(iter(finished.proposals().values()))
    finished.finish(Trial(proposal, "scored", 0, {"picks": 0.0, "text": 3.0}, share=1.0))
    other = write({**config, "budget": {"trials": 12, "scorings": 1}})
    options = ["--config", other, "--log-format", log_format]
    done = run("resume", finished.root, *options)
    assert done.exit_code == 0
    assert "nothing to do: its budget of 1 full scoring (one model on all" in done.stderr
    assert "--config FILE, with a larger `budget:`" in done.stderr  # no option raises scorings
    assert "--trials" not in done.stderr


def test_a_search_reports_why_it_ended(run, finished, monkeypatch):
    monkeypatch.setattr("search.runs.search.ray_pool", lambda *_: InProcessPool(evaluate, 2))
    done = run("resume", finished.root)
    assert done.exit_code == 0
    assert "the search is over: its budget of 12 trials is spent" in done.stderr.splitlines()


def test_doctor_accepts_a_valid_config_and_lists_its_parameters(run, write, config):
    path = write(config)
    done = run("doctor", path)
    assert done.exit_code == 0
    content = json.loads(run("doctor", path, "--json").stdout)
    assert content["version"] == 1
    assert "weight[a].1" in content["parameters"]


def test_merge_writes_a_model_that_transformers_loads(run, world, tmp_path):
    from transformers import AutoModelForCausalLM

    recipe = {
        "method": "ties",
        "base": str(world / "base"),
        "models": {name: str(world / name) for name in "ab"},
        "groups": [{"parameters": {"weight": 1.0, "density": 0.5}}],
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    done = run("merge", path, tmp_path / "out")
    assert done.exit_code == 0, done.output
    model, report = AutoModelForCausalLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.num_parameters() > 0


HEAVY = ("datasets", "lm_eval", "optuna", "pandas", "ray", "scipy", "torch", "transformers")
FIRST_ANSWERS = {  # a command that needs no model -> its exit status
    "--help": 0,
    "--version": 0,
    "search bad.yaml": 2,
    "search config.yaml": 2,
    "search config.yaml --from nowhere": 2,
    "status run": 0,
    "status run --json": 0,
    "front run": 0,
    "front run --where nothing>1": 2,
    "show run 99": 2,
    "resume nowhere": 2,
    "resume nowhere --config config.yaml": 2,
    "resume run --trials 2": 0,
    "verdict run --pick best": 2,
    "report run --pick best": 2,
    "export run there": 2,
    "export run out --pick best": 2,
    "export run out --trial 99": 2,
    "export run out --max-shard-size big": 2,
    "simplify run 99": 2,
    "simplify run 1 --out there": 2,
    "merge recipe.yaml": 2,
    "merge recipe.yaml out": 2,
    "merge config.yaml out": 2,
    "merge recipe.yaml there": 2,
    "init a b --out there": 2,
    "init nowhere other": 2,
    "doctor nowhere other": 2,
}
ANSWER = f"""
import sys
from typer.testing import CliRunner
from search.cli.app import app

for line in sys.argv[1:]:
    done = CliRunner().invoke(app, line.split())
    print(done.exit_code, [m for m in {HEAVY} if m in sys.modules], *done.output.split()[-20:])
"""


def test_what_needs_no_model_is_answered_without_a_heavy_import(write, config, tmp_path):
    """One process for all: the first that imports something heavy is the one that is named."""
    (tmp_path / "bad.yaml").write_text("bse: x\n")
    (tmp_path / "there").mkdir()
    begin_scored(make_plan(write(config)), [3.0, 2.5])
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, *FIRST_ANSWERS],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
    )
    for (line, status), answer in zip(FIRST_ANSWERS.items(), done.stdout.splitlines(), strict=True):
        assert answer.startswith(f"{status} [] "), f"{line}: {answer}"

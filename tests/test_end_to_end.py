"""The whole way on real Ray with the demo's models: killed, resumed, exported, re-scored."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

from evaluators.suite import Suite
from search.cli.demo import SEARCH, rescore
from search.ledger import Ledger
from search.runs import export, open_run, results_of
from tests.workers.makers import MULTI_PART, make_model
from workers.demo import DemoSettings, make_demo

pytestmark = pytest.mark.slow

TRIALS = 24
PATIENCE = 300  # seconds that anything may take on a busy machine


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    make_demo(root, DemoSettings.tiny())
    return root


@pytest.fixture(scope="module")
def killed(demo: Path) -> tuple[Path, list[str]]:
    """A run whose driver was killed by kill -9 in the middle, and the trials it had finished."""
    search, run = start(demo, "killed")
    wait_for_trials(run, 8, search)
    os.kill(search.pid, signal.SIGKILL)
    search.wait()
    return run, finished(run)


@pytest.fixture(scope="module")
def resumed(killed: tuple[Path, list[str]]) -> Path:
    run, _ = killed
    done = mergefront("resume", run)
    assert done.returncode == 0, done.stderr
    assert "Pareto front" in done.stdout
    return run


def command(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("mergefront")), *map(str, arguments)]


def mergefront(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def start(demo: Path, name: str) -> tuple[subprocess.Popen[bytes], Path]:
    """A search in a process group of its own, as a shell would start it; it speaks to NAME.log."""
    config = demo / f"{name}.yaml"
    content = {**SEARCH, "run": name, "budget": {"trials": TRIALS}}
    config.write_text(yaml.safe_dump(content))
    with (demo / f"{name}.log").open("wb") as log:  # a pipe would be held open by Ray's processes
        process = subprocess.Popen(
            command("search", config), stdout=log, stderr=log, start_new_session=True
        )
    return process, demo / name


def log_of(run: Path) -> str:
    return run.with_name(f"{run.name}.log").read_text()


def finished(run: Path) -> list[str]:
    return sorted(file.name for file in run.glob("finished/0*.parquet"))


def wait_for_trials(run: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: len(finished(run)) >= count or process.poll() is not None)
    assert process.poll() is None, log_of(run)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_search_killed_in_the_middle_keeps_every_finished_evaluation(killed, resumed):
    run, before = killed
    assert len(before) >= 8
    assert set(before) <= set(finished(run))
    trials = Ledger(resumed).trials()
    assert sorted(trial.number for trial in trials) == list(range(TRIALS))
    assert sorted(f"{trial.number:06}.parquet" for trial in trials[: len(before)]) == before
    assert {trial.state for trial in trials} <= {"scored", "duplicate", "broken"}


def test_all_workers_did_their_share_on_real_ray(resumed):
    names = {trial.worker for trial in Ledger(resumed).trials() if trial.state == "scored"}
    assert len(names) >= 2 + 1  # two of the first driver, at least one more of the second


def test_ctrl_c_stops_the_search_says_how_to_go_on_and_loses_nothing(demo):
    search, run = start(demo, "interrupted")
    wait_for_trials(run, 6, search)
    before = set(finished(run))
    os.killpg(search.pid, signal.SIGINT)  # a terminal sends it to the whole group
    search.wait(timeout=PATIENCE)
    said = log_of(run)
    assert search.returncode == 3, said
    assert f"mergefront resume {run}" in said
    assert "Traceback" not in said
    assert before <= set(finished(run))
    ledger = Ledger(run)
    waiting = set(ledger.proposals()) - {trial.number for trial in ledger.trials()}
    assert len(waiting) <= 1, "what the workers were doing had time to come back"


def test_a_model_with_a_nan_is_wrong_input_and_named(demo):
    """Found by the workers, who read more than headers."""
    shutil.copytree(demo / SEARCH["models"]["sort"], demo / "sick")
    weights = demo / "sick" / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    config = demo / "sick.yaml"
    models = {**SEARCH["models"], "sort": "sick"}
    config.write_text(yaml.safe_dump({**SEARCH, "models": models, "run": "sick-run"}))
    done = mergefront("search", config)
    assert done.returncode == 2, done.stderr
    told = " ".join(done.stderr.split())
    assert "no worker can start: model 'sort': model.norm.weight has values that are not" in told
    assert "mergefront resume" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("architecture", "modules", "kind"),
    [
        ("qwen2_moe", ["experts", "router"], AutoModelForCausalLM),
        ("qwen2_vl", ["self_attn"], AutoModelForImageTextToText),
    ],
)
def test_experts_and_parts_are_searched_and_exports_load(
    architecture, modules, kind, demo, tmp_path
):
    known = json.loads((demo / SEARCH["base"] / "config.json").read_text())
    size = {"vocab_size": known["vocab_size"], "max_position_embeddings": 512}
    if text := MULTI_PART.get(architecture, {}).get("text_config"):
        size = {"text_config": {**text, **size}}
    for seed, name in enumerate(("base", "a", "b")):
        folder = make_model(tmp_path / name, architecture, seed, **size)
        for file in (demo / SEARCH["base"]).glob("token*"):
            shutil.copy(file, folder)
    content = {
        **SEARCH,
        "run": str(tmp_path / "run"),
        "base": str(tmp_path / "base"),
        "models": {name: str(tmp_path / name) for name in "ab"},
        "space": {"modules": modules},
        "objectives": {"sort": SEARCH["objectives"]["sort"]},
        "gate": {"enabled": False},  # models of random weights
        "budget": {"trials": 5},
        "workers": {"cpus": 1, "max": 1},
    }
    config = demo / f"{architecture}.yaml"
    config.write_text(yaml.safe_dump(content))
    done = mergefront("search", config)
    assert done.returncode == 0, done.stderr
    prepared, ledger = open_run(tmp_path / "run")
    assert {trial.state for trial in ledger.trials()} <= {"scored", "duplicate"}
    pick = results_of(ledger).pick("knee")
    written = export(prepared, pick, tmp_path / "merged")
    suite = Suite(prepared.suite)
    tokenizer = AutoTokenizer.from_pretrained(written.path)
    suite.bind(kind.from_pretrained(written.path).eval(), tokenizer)
    scores = suite.score(suite.documents["search"])
    assert prepared.objectives[0].value(scores.values) == pick.scores["sort"]


def test_the_front_is_printed_beside_base_models_and_uniform_soup(resumed):
    content = json.loads(mergefront("front", resumed, "--json").stdout)
    assert set(content["models"]) == set(SEARCH["models"])
    assert content["base"]
    assert content["uniform"]
    assert content["front"]


def test_an_exported_model_loads_and_plain_lm_eval_gives_it_the_recorded_scores(resumed, tmp_path):
    prepared, ledger = open_run(resumed)
    found = results_of(ledger)
    chosen = found.pick("knee")
    written = export(prepared, chosen, tmp_path / "merged")
    model = AutoModelForCausalLM.from_pretrained(written.path)
    tokenizer = AutoTokenizer.from_pretrained(written.path)
    with torch.no_grad():
        logits = model(**tokenizer("abc", return_tensors="pt")).logits
    assert logits.isfinite().all()
    again = rescore(written.recheck)
    for each in prepared.objectives:
        assert each.value(again) == chosen.scores[each.name]


def test_the_verdict_scores_unseen_documents_once_with_real_workers(resumed):
    first = mergefront("verdict", resumed, "--json")
    assert first.returncode == 0, first.stderr
    content = json.loads(first.stdout)
    labels = {"base", *SEARCH["models"], "uniform soup"}
    assert content["objectives"].keys() == SEARCH["objectives"].keys()
    for each in content["objectives"].values():
        assert labels - {content["label"]} <= set(each["comparisons"])
        assert each["interval"][0] <= each["report"] <= each["interval"][1]
    others = [each["comparisons"].values() for each in content["objectives"].values()]
    tests = {each["test"] for some in others for each in some}
    assert tests == {"mcnemar", "paired t"}
    again = mergefront("verdict", resumed, "--json")
    assert json.loads(again.stdout) == content
    assert "scoring" not in again.stderr

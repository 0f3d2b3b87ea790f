"""`mergefront export --adapter`: a merge of LoRA adapters of a run as one adapter."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from search.ledger import Ledger
from search.runs import create_run, open_run, results_of
from search.runs import export as write_export
from tests.search.conftest import begin_scored
from tests.workers.makers import make_adapter
from workers.candidate import Candidate
from workers.worker import Setup, Worker

pytestmark = pytest.mark.filterwarnings(  # peft 0.21 asks transformers 5.23 the old way
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)
SOUP = 4


@pytest.fixture
def ledger(write, config, world, tmp_path, monkeypatch) -> Ledger:
    """A run of three adapters, of which the uniform soup has real scores."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    adapters = {
        name: make_adapter(tmp_path / name, world / "base", seed, target_modules="all-linear")
        for seed, name in enumerate("abc")
    }
    models = {name: f"{world / 'base'} + {folder}" for name, folder in adapters.items()}
    content = {**config, "models": models, "gate": {"enabled": False}}
    other = make_plan(write({**content, "run": config["run"] + "-other"}))
    trials = begin_scored(other, texts=(3.0, 3.0, 3.0, 3.0, 2.0)).trials()
    plan = make_plan(write(content))
    worker = Worker(Setup(plan.base, plan.models, plan.suite, plan.config.gate))
    outcome = worker.evaluate(Candidate(SOUP, trials[SOUP].proposal.recipe))
    assert outcome.conditions is not None
    found = create_run(plan)
    for trial in trials:
        found.propose(trial.proposal)
        known = replace(trial, conditions=asdict(outcome.conditions))
        found.finish(known, outcome.documents if trial.number == SOUP else None)
    return found


@pytest.fixture
def export(ledger, tmp_path):
    command = ["export", str(ledger.root), str(tmp_path / "out"), "--adapter"]
    return lambda *options: CliRunner().invoke(app, [*command, *options])


def test_an_adapter_scores_as_the_merge_and_is_uploaded(export, hub, tmp_path, world):
    done = export("--verify", "--push", "me/lora")
    assert done.exit_code == 0, done.output
    output = " ".join(done.output.split())
    assert "The adapter gives its weights up to rounding" in output
    assert "it scores 48 documents as recorded" in output
    command = (tmp_path / "out.rescore.sh").read_text()
    assert f"pretrained={world / 'base'},softmax_dtype=float32" in command
    assert f",peft={tmp_path / 'out'}" in command
    assert "adapter_model.safetensors" in hub.repos["me/lora"]
    assert "model.safetensors" not in hub.repos["me/lora"]


def test_vllm_is_told_the_rank_and_no_generation_config_is_claimed(ledger, tmp_path):
    plan, _ = open_run(ledger.root)
    trial = results_of(ledger).trial(SOUP)
    assert trial.conditions is not None
    by_vllm = replace(trial, conditions={**trial.conditions, "engine": "vllm 0.11.0"})
    out = tmp_path / "out"
    written = write_export(plan, by_vllm, out, adapter=True)  # ranks 3 + 3 + 3
    assert f",lora_local_path={out},max_lora_rank=16" in written.command
    card = (out / "README.md").read_text()
    assert "The chat template is" in card or "It has no chat template" in card
    assert "generation config" not in card
    with pytest.raises(ValueError, match="dtype float16: an adapter is written in float32"):
        write_export(plan, trial, out, adapter=True, dtype="float16", force=True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--dtype", "bfloat16"], "dtype bfloat16: an adapter is written in float32"),
        (["--trial", "0"], "no adapter has a weight: the merge is the base"),
    ],
)
def test_what_cannot_be_an_adapter_is_refused(export, tmp_path, options, expected):
    done = export(*options)
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()
    assert expected in " ".join(done.output.split())

"""`mergefront export --adapter`: a merge of LoRA adapters of a run as one adapter."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from search.ledger import Ledger
from search.runs import create_run
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
    assert f"pretrained={world / 'base'},softmax_dtype=float32" in done.output
    assert f",peft={tmp_path / 'out'}" in done.output
    assert "adapter_model.safetensors" in hub.repos["me/lora"]
    assert "model.safetensors" not in hub.repos["me/lora"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--dtype", "bfloat16"], "--dtype: an adapter is written in float32"),
        (["--trial", "0"], "no adapter has a weight: the merge is the base"),
    ],
)
def test_what_cannot_be_an_adapter_is_refused(export, tmp_path, options, expected):
    done = export(*options)
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()
    assert expected in " ".join(done.output.split())

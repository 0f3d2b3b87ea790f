"""A search for which a Python function scores beside a task of lm-eval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.config import make_plan
from search.runs import create_run, export, results_of, run_search
from workers.pool import InProcessPool
from workers.worker import Setup, Worker

MODULE = '''
import torch

def confidence(model, tokenizer, ids):
    """How likely the model thinks its own next token is, after a token for each document."""
    logits = model(torch.tensor([[2 + i % 30] for i in ids])).logits[:, -1]
    return dict(zip(ids, logits.softmax(-1).amax(-1).tolist()))
'''


@pytest.fixture
def with_function(config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "confident.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    name = "confident:confidence"
    function = {"python": name, "documents": 80, "direction": "maximize"}
    return {
        **config,
        "objectives": {"text": config["objectives"]["text"], "sure": function},
        "scoring": {"allow_code": [name]},
        "gate": {"perplexity": 50.0, "texts": 2, "prompts": 1},
        "stages": [16],
        "budget": {"trials": 16},
    }


def test_a_function_is_searched_in_stages_after_the_gate_and_its_winner_is_exported(
    with_function, write, tmp_path
):
    plan = make_plan(write(with_function))
    worker = Worker(Setup(plan.base, plan.models, plan.suite, plan.config.gate))
    ledger = create_run(plan)
    pool = InProcessPool(worker.evaluate)
    run_search(plan, ledger, plan.config.budget, make_pool=lambda *_: pool)
    results = results_of(ledger)
    assert len(results.trials) == 16
    assert all(trial.seconds["gate"] > 0 for trial in results.scored)
    winner = results.pick("best:sure")
    assert winner.scores["sure"] >= max(t.scores["sure"] for t in results.baselines.values())
    documents = ledger.documents(winner.number)
    values = [
        row["value"] for row in documents.to_pylist() if row["task"] == "confident:confidence"
    ]
    assert len(values) == plan.stages.tasks.documents["confident:confidence"]
    assert winner.scores["sure"] == pytest.approx(sum(values) / len(values))
    written = export(plan, winner, tmp_path / "out")
    assert (written.path / "model.safetensors").is_file()
    assert "lm_eval" in written.command
    assert "confident" not in written.command

"""`mergefront export --verify`: the directory scores as its trial did, in a fresh engine."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from evaluators.agreement import ROUNDED, SAME, agreement
from evaluators.scores import Row, table
from search.cli.app import app
from search.config import Plan, make_plan
from search.ledger import Ledger, Proposal, Trial
from search.runs import Verification, create_run, export, refused_text
from tests.search.conftest import begin_scored, write_task
from workers.candidate import Candidate, Outcome
from workers.recipe import Group
from workers.worker import Setup, Worker

SOUP = 4
"""The uniform soup, the only member of the front."""


@pytest.fixture
def plan(write, config) -> Plan:
    return make_plan(write({**config, "gate": {"enabled": False}}))


@pytest.fixture
def outcomes(plan, write, config) -> dict[int, Outcome]:
    """What a worker scores of model `a` and of the soup."""
    other = make_plan(write({**config, "run": config["run"] + "-other"}))
    trials = begin_scored(other, texts=[1.0] * 5).trials()
    worker = Worker(Setup(plan.base, plan.models, plan.suite, plan.config.gate))
    found = {n: worker.evaluate(Candidate(n, trials[n].proposal.recipe)) for n in (1, SOUP)}
    write({**config, "gate": {"enabled": False}})
    return found


def record(plan: Plan, outcome: Outcome) -> Ledger:
    """A run whose soup has the scores of this outcome."""
    other = replace(plan, config=plan.config.model_copy(update={"run": f"{plan.config.run}-known"}))
    ledger = create_run(plan)
    for trial in begin_scored(other, texts=(3.0, 3.0, 3.0, 3.0, 2.0)).trials():
        ledger.propose(trial.proposal)
        conditions = asdict(outcome.conditions) if outcome.conditions else None
        known = replace(trial, conditions=conditions)
        ledger.finish(known, outcome.documents if trial.number == SOUP else None)
    return ledger


@pytest.fixture
def run(tmp_path):
    return lambda ledger, *options: CliRunner().invoke(
        app, ["export", str(ledger.root), str(tmp_path / "out"), "--verify", *options]
    )


def test_an_export_scores_as_its_trial_did_and_is_uploaded(plan, outcomes, run, hub):
    done = run(record(plan, outcomes[SOUP]), "--push", "me/merged")
    assert done.exit_code == 0, done.output
    assert "it scores 48 documents as recorded, bit for bit" in " ".join(done.output.split())
    assert "model.safetensors" in hub.repos["me/merged"]


def test_a_model_that_scores_otherwise_is_named_and_not_uploaded(
    plan, outcomes, run, hub, tmp_path
):
    done = run(record(plan, outcomes[1]), "--push", "me/merged")
    assert done.exit_code == 1
    assert "of 48 documents differ by more than 1e-05" in done.output
    assert "text, document " in done.output
    assert "bits_per_byte,none was [" in done.output
    assert hub.repos == {}
    assert (tmp_path / "out" / "config.json").exists()


def test_a_weight_that_changed_on_disk_is_found(plan, outcomes, tmp_path):
    ledger = record(plan, outcomes[SOUP])
    trial = ledger.trials()[SOUP]
    written = export(plan, trial, tmp_path / "out")
    file = written.path / "model.safetensors"
    tensors = load_file(file)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].flip(0)
    save_file(tensors, file, metadata={"format": "pt"})
    found = Verification.of(plan, ledger, trial).run(written)
    assert "text" in found.failed_tasks
    assert "text, document" in refused_text(found, written.path)


def test_another_dtype_is_compared_within_a_tolerance(plan, outcomes, run, tmp_path):
    done = run(record(plan, outcomes[SOUP]), "--dtype", "bfloat16")
    assert done.exit_code == 0, done.output
    assert "within 0.05 of each value" in " ".join(done.output.split())
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert {each.dtype for each in weights.values()} == {torch.bfloat16}


def test_without_recorded_scores_nothing_is_written(plan, run, tmp_path):
    ledger = begin_scored(plan, texts=(3.0, 3.0, 3.0, 3.0, 2.0))
    done = run(ledger)
    assert done.exit_code == 2
    assert "trial 4 cannot be verified by its scores of documents: there are none" in done.output
    assert not (tmp_path / "out").exists()


def test_tasks_that_draw_their_answers_are_left_out(write, config, tmp_path):
    write_task(
        tmp_path,
        "draw",
        [{"q": f"q{i}", "a": "x"} for i in range(40)],
        output_type="generate_until",
        doc_to_text="{{q}}",
        doc_to_target="{{a}}",
        generation_kwargs={"do_sample": True, "temperature": 1.0, "until": ["\n"]},
        metric_list=[{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    )
    objectives = {
        "drawn": {"task": "draw", "metric": "exact_match"},
        "other": {"task": "draw", "metric": "exact_match"},
    }
    plan = make_plan(write({**config, "tasks": str(tmp_path), "objectives": objectives}))
    ledger = create_run(plan)
    recipe = plan.space.merge("linear", plan.models, (Group({"weight": 1.0}),))
    trial = Trial(Proposal.create(0, recipe), "scored", 0, {"drawn": 1.0, "other": 1.0})
    ledger.propose(trial.proposal)
    ledger.finish(trial, table([Row("draw", 0, "h", "p", "exact_match", "none", 1.0)]))
    with pytest.raises(ValueError, match="all tasks draw their answers at random; leave out"):
        Verification.of(plan, ledger, trial)


def scores(hits: list[float], logs: list[float], prompt: str = "p"):
    rows = [Row("pick", i, "h", prompt, "acc", "none", each) for i, each in enumerate(hits)]
    rows += [Row("text", i, "h", prompt, "bits", "none", [x, 9]) for i, x in enumerate(logs)]
    return table(rows)


def test_a_few_documents_may_tip_over_only_where_weights_are_rounded():
    before = scores([1.0] * 40, [-50.0] * 40)
    one = scores([0.0, 0.0, *[1.0] * 38], [-50.0001] * 40)
    three = scores([0.0] * 3 + [1.0] * 37, [-50.0] * 40)
    assert agreement(before, one, SAME).failed_tasks == ["pick"]
    assert agreement(before, one, ROUNDED).failed_tasks == []
    assert len(agreement(before, one, ROUNDED).differences) == 2
    assert agreement(before, three, ROUNDED).failed_tasks == ["pick"]
    assert not agreement(before, one, SAME).identical
    assert agreement(before, before, SAME).identical


def test_other_prompts_and_documents_without_scores_differ():
    before = scores([1.0, 1.0], [-50.0])
    others = agreement(before, scores([1.0, 1.0], [-50.0], prompt="other"), ROUNDED)
    assert [each.what for each in others.differences] == ["prompt"] * 3
    fewer = agreement(before, scores([1.0], [-50.0]), SAME)
    assert [(each.task, each.doc_id) for each in fewer.differences] == [("pick", 1)]

"""Stacks of layers as fixed recipes of a search whose own models are less deep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from evaluators.suite import Suite
from search.config import ConfigError, Plan, make_plan
from search.driver import baselines
from search.ledger import Proposal, Trial
from search.runs import export
from workers.candidate import Candidate
from workers.checkpoint import load_tokenizer, open_checkpoint
from workers.worker import Setup, Worker

DEEP = """
merge_method: passthrough
slices:
  - sources: [{model: WORLD/a, layer_range: [0, 3]}]
  - sources: [{model: WORLD/b, layer_range: [1, 4]}]
dtype: float32
"""
OURS = """
method: linear
base: {path: WORLD/base, layers: [[0, 4], [2, 4]]}
models: {a: {path: WORLD/a, layers: [[0, 4], [2, 4]]}}
groups: [{parameters: {weight: 0.5}}]
"""


@pytest.fixture
def plan_of(world, config, write, tmp_path, monkeypatch) -> Callable[[str], Plan]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def plan(recipe: str) -> Plan:
        (tmp_path / "deep.yaml").write_text(recipe.replace("WORLD", str(world)))
        return make_plan(write({**config, "recipes": ["deep.yaml"], "gate": {"enabled": False}}))

    return plan


def scored(plan: Plan, folder: Path) -> dict[str, dict[str, float]]:
    suite = Suite(plan.suite)
    live = AutoModelForCausalLM.from_pretrained(folder).eval()
    suite.bind(live, load_tokenizer(open_checkpoint(plan.base)))
    return suite.score(suite.documents["search"]).values


@pytest.mark.parametrize("text", [DEEP, OURS])
def test_a_deeper_model_is_scored_as_its_export_and_the_live_model_stays(text, plan_of, tmp_path):
    plan = plan_of(text)
    deep = next(each for each in baselines(plan.space, plan.recipes).known if "deep" in each.label)
    assert deep.params is None
    worker = Worker(Setup(plan.base, plan.models, plan.suite, plan.config.gate))
    soup = plan.space.recipe({name: axis.centre for name, axis in plan.space.axes.items()})
    before = worker.evaluate(Candidate(0, soup))
    outcome = worker.evaluate(Candidate(1, deep.recipe))
    assert outcome.state == "scored", outcome.cause
    scores = {"picks": 0.0, "text": 1.0}
    trial = Trial(Proposal.create(1, deep.recipe, None, deep.label), "scored", 1, scores)
    written = export(plan, trial, tmp_path / "out")
    assert open_checkpoint(next(iter(deep.recipe.models.values()))).n_layers == 6
    assert AutoModelForCausalLM.from_pretrained(written.path).config.num_hidden_layers == 6
    assert scored(plan, written.path) == outcome.values
    assert outcome.values != before.values
    assert worker.evaluate(Candidate(2, soup)).values == before.values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            OURS.replace("[2, 4]]}}", "[2, 5]]}}"),
            r"there are 4 layers, so layers \[2, 5\] do not e",
        ),
        (OURS.replace("[2, 4]]}}", "[2, 3]]}}"), r"num_hidden_layers is 5, base has 6"),
        (
            OURS.replace("a: {path: WORLD/a", "z: {path: WORLD/wide"),
            r"its model 'z' .* is none of the",
        ),
        (
            DEEP.replace("[1, 4]", "[1, 5]"),
            r"\[1, 5\] ends after the last layer of .*/b, which has",
        ),
    ],
)
def test_a_stack_that_cannot_be_made_is_wrong_input(text, message, plan_of):
    with pytest.raises(ConfigError, match=rf"recipes\.0: (?s:.*){message}"):
        plan_of(text)

"""`mergefront simplify`: what becomes shorter, what is scored once, and what is said about it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import search.runs.pool_on_demand as pool_module
from evaluators.scores import Row, table
from search.cli.app import app
from search.config import make_plan
from search.ledger import Ledger, Proposal, Trial
from search.results import Tensors, collapsed, count_numbers, steps
from search.runs import ScoringError, create_run, simplify
from tests.search.conftest import begin_scored
from workers.candidate import Candidate, Outcome
from workers.merge import tensor_sizes
from workers.methods import METHODS
from workers.pool import InProcessPool
from workers.recipe import Group, Recipe, Source
from workers.recipe_file import read_recipe
from workers.worker import Setup, Worker

DOCUMENTS = 200
LIMIT = 20
LAYERS = ((0, 2), (2, 4))
MODULES = (("self_attn", "mlp"), ("embed", "head", "norm", "other"))

TENSORS = [
    "model.embed_tokens.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.1.input_layernorm.weight",
    "model.layers.2.mlp.up_proj.weight",
    "model.layers.3.post_attention_layernorm.weight",
    "lm_head.weight",
]


def recipe_of(models: dict[str, Source], base: Source) -> Recipe:
    """A recipe whose weights matter only in `a`, and whose density never does."""
    rng = np.random.default_rng(0)
    groups = tuple(
        Group(
            {
                "weight": {"a": 0.8, "b": 0.41 + 0.02 * rng.random(), "c": 0.01 * rng.random()},
                "density": 0.7 + 0.03 * rng.random(),
            },
            layers=layers,
            modules=modules,
        )
        for layers in LAYERS
        for modules in MODULES
    )
    return Recipe("ties", models, groups, base)


def skill(recipe: Recipe) -> float:
    """How good a formula finds a recipe: by the weight of `a`, which must stay near 0.8."""
    weights = [group.parameters["weight"] for group in recipe.groups]
    found = [w["a"] if not isinstance(w, float) else w for w in weights]  # type: ignore[index]
    return 0.9 - abs(float(np.mean(found)) - 0.8)


def answers(candidate: Candidate) -> Outcome:
    """Equal luck for all recipes: a document is right if its luck is below the skill."""
    luck = np.random.default_rng(5).random(DOCUMENTS)
    right = (luck < skill(candidate.recipe)).astype(float)
    logs = -10.0 * (2 - right)
    rows = [Row("pick", i, "h", "p", "acc", "none", each) for i, each in enumerate(right)]
    rows += [Row("text", i, "h", "p", "bits_per_byte", "none", [x, 10]) for i, x in enumerate(logs)]
    values = {
        "pick": {"acc,none": float(right.mean())},
        "text": {"bits_per_byte,none": float(-logs.mean() / 10 / np.log(2))},
    }
    return Outcome(candidate.trial, "scored", values, table(rows))


class Workers:
    """Makes pools that answer by the formula, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Recipe] = []
        self.plans: list[Any] = []
        self.last = 10**9
        """After so many candidates the machine is gone."""

    def __call__(self, plan, address) -> InProcessPool:
        self.plans.append(plan)
        return InProcessPool(self.evaluate)

    def evaluate(self, candidate: Candidate) -> Outcome:
        if len(self.asked) == self.last:
            return Outcome(candidate.trial, "failed", cause="Traceback\nOSError: no more disk")
        assert candidate.documents == "selection"
        self.asked.append(candidate.recipe)
        return answers(candidate)


@pytest.fixture
def ledger(write, config) -> Ledger:
    plan = make_plan(write(config))
    ledger = create_run(plan)
    proposal = Proposal.create(0, recipe_of(dict(plan.models), plan.base))
    ledger.propose(proposal)
    ledger.finish(Trial(proposal, "scored", 0, {"picks": 0.9, "text": 3.0}))
    return ledger


@pytest.fixture
def workers() -> Workers:
    return Workers()


def test_what_no_test_tells_apart_becomes_shorter_and_the_rest_stays(ledger, workers):
    found = simplify(ledger, 0, limit=LIMIT, make_pool=workers)
    (group,) = found.recipe.groups
    assert group.parameters == {"weight": {"a": 0.8, "b": 0.4}, "density": 0.7}
    assert found.numbers == (16, 3)
    undone = {each.step for each in found.attempts if not each.is_kept}
    assert undone == {"weight the same for all models"}
    assert found.is_complete
    assert {len(each.contrasts) for each in found.attempts} == {2}


def test_every_step_is_compared_with_the_original_and_not_with_the_step_before(ledger, workers):
    found = simplify(ledger, 0, limit=LIMIT, make_pool=workers)
    original = answers(Candidate(0, found.trial.proposal.recipe)).values
    own = answers(Candidate(0, found.recipe)).values
    gain = own["pick"]["acc,none"] - original["pick"]["acc,none"]
    loss = own["text"]["bits_per_byte,none"] - original["text"]["bits_per_byte,none"]
    picks, text = found.contrasts
    assert picks.test.difference == pytest.approx(gain)
    assert text.test.difference == pytest.approx(-loss)  # positive if better


def test_an_interrupted_run_of_it_scores_nothing_again(ledger, workers):
    workers.last = 3
    with pytest.raises(ScoringError, match="no more disk"):
        simplify(ledger, 0, limit=LIMIT, make_pool=workers)
    workers.last = 10**9
    found = simplify(Ledger(ledger.root), 0, limit=LIMIT, make_pool=workers)
    digests = [each.digest for each in workers.asked]
    assert len(set(digests)) == len(digests)
    assert found.scorings == len(digests) - 3
    again = simplify(Ledger(ledger.root), 0, limit=LIMIT, make_pool=workers)
    assert (again.scorings, again.recipe) == (0, found.recipe)
    assert len(workers.plans) == 2  # nothing was started for it
    assert workers.plans[0].config.workers.max == 1
    assert [each.number for each in Ledger(ledger.root).trials()] == [0]


def test_the_number_of_steps_is_limited(ledger, workers):
    found = simplify(ledger, 0, limit=2, make_pool=workers)
    assert (len(found.attempts), found.is_complete) == (2, False)


@pytest.fixture
def run(monkeypatch, workers, ledger):
    monkeypatch.setattr(pool_module, "ray_pool", workers)
    return lambda *options: CliRunner().invoke(app, ["simplify", ledger.root, "0", *options])


def test_the_command_prints_steps_recipe_and_intervals_and_writes_a_recipe_file(run, tmp_path):
    file = tmp_path / "shorter.yaml"
    done = run("--out", str(file))
    assert done.exit_code == 0, done.output
    assert "kept    the same in all tensors: picks " in done.output
    assert "undone  weight the same for all models: picks -" in done.output
    assert "The recipe has 3 numbers instead of 16" in done.output
    assert "all tensors: weight a 0.8, b 0.4; density 0.7" in done.output
    assert "picks: the test cannot tell it from the original; difference " in done.output
    assert "That is no proof that they are equal" in done.output
    recipe = read_recipe(file)
    assert list(recipe.models) == ["a", "b"]
    assert recipe.digest in done.output
    assert run("--out", str(file)).exit_code == 2


def test_the_json_keeps_its_contract(run, ledger):
    content = json.loads(run("--json").stdout)
    assert (content["version"], content["trial"], content["documents"]) == (1, 0, "selection")
    assert content["numbers"] == {"before": 16, "after": 3}
    assert Recipe.from_dict(content["recipe"]).digest == content["digest"]["after"]
    assert content["objectives"]["picks"].keys() == {
        "improvement",
        "interval",
        "test",
        "p",
        "p_holm",
    }
    assert {each["kept"] for each in content["steps"]} == {True, False}


def test_a_trial_without_scores_and_a_busy_run_are_refused(run, ledger):
    recipe = ledger.trials()[0].proposal.recipe
    proposal = Proposal.create(1, replace(recipe, seed=5))
    ledger.propose(proposal)
    ledger.finish(Trial(proposal, "broken", 1, cause="perplexity 150"))
    done = CliRunner().invoke(app, ["simplify", ledger.root, "1"])
    assert done.exit_code == 2
    assert "trial 1 " in done.output
    with ledger.driving():
        assert run().exit_code == 2


def test_a_real_worker_scores_the_shorter_recipe_on_search_documents(write, config):
    """Where a run has no selection documents; a soup of equal weights has no longer form."""
    content = {**config, "documents": "all", "gate": {"enabled": False}}
    plan = make_plan(write({**content, "run": config["run"] + "-other"}))
    soup = begin_scored(plan, texts=[1.0] * 5).trials()[4].proposal.recipe
    weights = {"a": 0.52, "b": 0.49, "c": 0.5}
    recipe = replace(soup, groups=(Group({**soup.groups[0].parameters, "weight": weights}),))
    plan = make_plan(write(content))
    worker = Worker(Setup(plan.base, plan.models, plan.suite, plan.config.gate))
    outcome = worker.evaluate(Candidate(0, recipe))
    ledger = create_run(plan)
    proposal = Proposal.create(0, recipe)
    ledger.propose(proposal)
    scores = {each.name: each.value(outcome.values) for each in plan.objectives}
    ledger.finish(Trial(proposal, "scored", 0, scores), outcome.documents)
    found = simplify(ledger, 0, limit=LIMIT, make_pool=lambda *_: InProcessPool(worker.evaluate))
    assert found.documents == "search"
    assert found.recipe.groups[0].parameters["weight"] == 0.5
    assert found.numbers == (3, 1)


def test_means_are_weighted_by_entries_and_grids_collapse_by_layer_or_module(write, config):
    plan = make_plan(write(config))
    recipe = recipe_of(dict(plan.models), plan.base)
    tensors = Tensors(*tensor_sizes(recipe))
    sizes = tensors.sizes(recipe)
    assert sum(sizes) == sum(tensors.entries.values())
    named = {each.name: each for each in steps(recipe, tensors)}
    tied = named["density the same in all tensors"].apply(recipe)
    assert tied is not None
    values = [group.parameters["density"] for group in recipe.groups]
    expected = float(np.average(np.array(values, float), weights=sizes))
    assert [group.parameters["density"] for group in tied.groups] == pytest.approx([expected] * 4)
    by_module = named["the same in all layers"].apply(recipe)
    by_layer = named["the same in all modules"].apply(recipe)
    assert by_module is not None
    assert by_layer is not None
    assert [group.modules for group in by_module.groups] == [*MODULES]
    assert [group.layers for group in by_layer.groups] == [*LAYERS]
    assert count_numbers(by_module) == 8
    assert by_module.parameters("model.layers.3.mlp.up_proj.weight", 4) == dict(
        by_module.groups[0].parameters
    )


@given(
    st.lists(st.sampled_from([0.25, 0.5]), min_size=8, max_size=8),
    st.permutations(range(4)),
)
def test_a_collapsed_recipe_has_the_same_parameters_everywhere(values, order):
    """Values of two models, in the groups of a grid in any order."""
    models = {name: Source(f"/models/{name}") for name in "ab"}
    pairs = [(layers, modules) for layers in LAYERS for modules in MODULES]
    groups = tuple(
        Group({"weight": dict(zip("ab", values[2 * i : 2 * i + 2], strict=True))}, *pairs[i])
        for i in order
    )
    recipe = Recipe("linear", models, groups)
    shorter = collapsed(recipe)
    assert len(shorter.groups) <= len(recipe.groups)
    for tensor in TENSORS:
        bound = [
            METHODS["linear"].bind(each.parameters(tensor, 4), list(models))
            for each in (recipe, shorter)
        ]
        assert bound[0] == bound[1]


def test_one_number_stands_for_equal_ones_and_irregular_groups_stay():
    models = {name: Source(f"/models/{name}") for name in "ab"}
    equal, other = Group({"weight": {"a": 0.5, "b": 0.5}}), Group({"weight": 0.25})
    assert collapsed(Recipe("linear", models, (equal,))).groups == (
        Group({"weight": 0.5}).frozen(),
    )
    named = (replace(other, names=("lm_head",)), equal)
    assert len(collapsed(Recipe("linear", models, named)).groups) == 2

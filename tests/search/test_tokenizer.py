"""A search over models with different vocabularies: scored live as the exported model is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluators.suite import Suite
from search.config import ConfigError, Plan, make_plan
from search.driver import Budget
from search.ledger import Ledger, Proposal, Trial
from search.runs import create_run, export, results_of, resume_run, run_search
from tests.search.conftest import write_task
from tests.workers.makers import make_model
from tests.workers.test_vocabularies import CHATML, FULL, add_tokens
from workers.candidate import Candidate
from workers.merge import merge
from workers.worker import Setup, Worker


@pytest.fixture(scope="module")
def family(tmp_path_factory) -> Path:
    """Three fine-tunes of a base, two of which have added tokens, and tasks that use them."""
    root = tmp_path_factory.mktemp("family")
    for seed, name in enumerate(("base", "code", "chat", "tool")):
        make_model(root / name, seed=seed, words=FULL)
    add_tokens(root / "chat", CHATML, eos="<|im_end|>")
    add_tokens(root / "tool", ["<tool>", "<|im_end|>"])
    (root / "tasks").mkdir()
    texts = [f"<|im_start|>w{i} w{i + 1} <tool>w{i + 2}<|im_end|>" for i in range(12)]
    write_task(
        root / "tasks",
        "text",
        [{"t": text} for text in texts],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{t}}",
        metric_list=[{"metric": "bits_per_byte"}],
    )
    write_task(
        root / "tasks",
        "answer",
        [{"q": text, "a": "w3"} for text in texts],
        output_type="generate_until",
        doc_to_text="{{q}}",
        doc_to_target="{{a}}",
        generation_kwargs={"until": ["w4"], "max_gen_toks": 6},
        metric_list=[{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    )
    return root


@pytest.fixture
def plan_of(family, write, tmp_path, monkeypatch):
    """The plan of a config with these keys."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def plan(**changes: Any) -> Plan:
        config = {
            "base": str(family / "base"),
            "models": {name: str(family / name) for name in ("code", "chat", "tool")},
            "methods": ["linear", "ties"],
            "space": {"membership": True},
            "tasks": str(family / "tasks"),
            "objectives": {
                "text": {"task": "text", "metric": "bits_per_byte"},
                "answer": {"task": "answer", "metric": "exact_match"},
            },
            "gate": {"enabled": False},
            "workers": {"cpus": 1, "max": 1},
            "budget": {"trials": 6},
            "run": str(tmp_path / "run"),
            **changes,
        }
        return make_plan(write(config))

    return plan


def scores_of(folder: Path, plan: Plan) -> Any:
    """The scores of a model directory, loaded as any other."""
    suite = Suite(plan.suite)
    model = AutoModelForCausalLM.from_pretrained(folder)
    suite.bind(model.eval(), AutoTokenizer.from_pretrained(folder))
    return suite.score(suite.documents["search"])


def setup_of(plan: Plan) -> Setup:
    config = plan.config
    return Setup(
        plan.base,
        plan.models,
        plan.suite,
        config.gate,
        tokenizer=config.tokenizer,
        chat_template=plan.space.chat_template,
    )


@pytest.mark.parametrize("tokenizer", ["base", "chat", "union"])
def test_a_worker_gives_the_scores_of_the_exported_model(tokenizer, plan_of, tmp_path):
    plan = plan_of(tokenizer=tokenizer)
    params = {name: axis.centre for name, axis in plan.space.axes.items()}
    recipe = plan.space.recipe({**params, "include[tool]": False, "method": "ties"})
    assert set(recipe.models) == {"code", "chat"}
    worker = Worker(setup_of(plan))
    outcome = worker.evaluate(Candidate(0, recipe))
    assert outcome.state == "scored", outcome.cause
    trial = Trial(Proposal.create(0, recipe, params, None), "scored", 0, {"text": 1.0, "answer": 0})
    written = export(plan, trial, tmp_path / "out")
    again = scores_of(written.path, plan)
    assert again.values == outcome.values
    assert again.documents.equals(outcome.documents)
    other = worker.evaluate(Candidate(1, replace(recipe, tokenizer=None)))
    assert "has another tokenizer than the run" in other.cause
    size = {"base": 48, "chat": 50, "union": 51}[tokenizer]
    assert len(AutoTokenizer.from_pretrained(written.path)) == size


def test_a_chat_template_is_the_same_in_scores_and_in_the_exported_model(plan_of, tmp_path):
    plan = plan_of(tokenizer="union", chat_template="chatml", scoring={"apply_chat_template": True})
    recipe = plan.space.recipe({name: axis.centre for name, axis in plan.space.axes.items()})
    outcome = Worker(setup_of(plan)).evaluate(Candidate(0, recipe))
    merge(recipe, tmp_path / "out")
    assert scores_of(tmp_path / "out", plan).values == outcome.values
    assert "<|im_start|>" in AutoTokenizer.from_pretrained(tmp_path / "out").chat_template


def test_the_template_of_a_model_is_kept_when_a_recipe_leaves_the_model_out(plan_of, family):
    plan = plan_of(tokenizer="union", chat_template="tool")
    assert plan.space.chat_template == (family / "tool" / "chat_template.jinja").read_text()
    with pytest.raises(ConfigError, match=r"chat_template 'tol' is not .*; did you mean 'tool'"):
        plan_of(tokenizer="union", chat_template="tol")


@pytest.mark.slow
def test_a_search_of_a_union_on_real_ray_is_exported_as_scored(plan_of, tmp_path):
    plan = plan_of(tokenizer="union")
    ledger = create_run(plan)
    run_search(plan, ledger, Budget(trials=6), address="local")
    results = results_of(ledger)
    assert {trial.state for trial in results.trials} <= {"scored", "duplicate"}
    chosen = results.pick("knee")
    written = export(plan, chosen, tmp_path / "out")
    values = scores_of(written.path, plan).values
    for each in plan.objectives:
        assert each.value(values) == chosen.scores[each.name]


def test_a_recipe_of_a_search_names_all_models_of_the_vocabulary(plan_of):
    plan = plan_of(tokenizer="union")
    params = {name: axis.centre for name, axis in plan.space.axes.items()}
    recipe = plan.space.recipe({**params, "include[tool]": False, "method": "linear"})
    assert list(recipe.token_sources) == ["base", "chat", "code", "tool"]
    assert plan.space.recipe(plan.space.params(recipe)).digest == recipe.digest


def test_models_with_other_vocabularies_need_a_tokenizer(plan_of):
    expected = r"models\.chat: .*vocab_size is 50, base has 48.*; set `tokenizer: union` to merge"
    with pytest.raises(ConfigError, match=expected):
        plan_of()


def test_a_tokenizer_that_is_no_model_is_named(plan_of):
    expected = r"tokenizer 'chad' is not 'base', 'union' or one of \['chat', 'code', 'tool'\]"
    with pytest.raises(ConfigError, match=expected):
        plan_of(tokenizer="chad")
    with pytest.raises(ConfigError, match="tokenizer: unknown key 'sauce'"):
        plan_of(tokenizer={"sauce": "union"})


def test_a_recipe_file_must_have_the_tokenizer_of_the_run(plan_of, tmp_path):
    recipe = plan_of(tokenizer="union").space
    params = {name: axis.centre for name, axis in recipe.axes.items()}
    file = tmp_path / "mine.yaml"
    file.write_text(recipe.recipe(params).to_yaml())
    assert plan_of(tokenizer="union", recipes=[str(file)]).recipes["mine"].tokenizer
    expected = r"recipes\.0: its tokenizer is 'union', and the run's is 'chat'; all models of a run"
    with pytest.raises(ConfigError, match=expected):
        plan_of(tokenizer="chat", recipes=[str(file)])


def test_a_run_is_not_resumed_with_other_tokens(plan_of, family):
    ledger: Ledger = create_run(plan_of(tokenizer="union"))
    assert resume_run(ledger.root)
    file = family / "tool" / "tokenizer.json"
    before = file.read_text()
    try:
        file.write_text(before.replace("<tool>", "<fool>"))
        with pytest.raises(ValueError, match=r"(?s)cannot be resumed.*tokenizer of tool: was"):
            resume_run(ledger.root)
    finally:
        file.write_text(before)

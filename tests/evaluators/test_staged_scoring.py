"""Real models that are scored in stages, on tasks of every kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForCausalLM

from evaluators.scores import count_documents, document_ids
from evaluators.stages import (
    Criterion,
    StagedMetric,
    StagedScoring,
    Stages,
    document_order,
    fitted,
    reference,
)
from evaluators.suite import Suite
from evaluators.tasks import SuiteSettings

CRITERIA = (
    Criterion("pick", 1, (StagedMetric(("pick", "acc,none")),)),
    Criterion("turn", 1, (StagedMetric(("turn", "exact_match,all")),)),
    Criterion("text", -1, (StagedMetric(("text", "bits_per_byte,none")),)),
    Criterion("end", -1, (StagedMetric(("end", "perplexity,none")),)),
)


@pytest.fixture(scope="module")
def suites(settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any) -> list[Suite]:
    """One for each of three models."""
    found = []
    for folder in model_dirs:
        found.append(Suite(settings.model_copy(update={"keep_responses": True})))
        found[-1].bind(LlamaForCausalLM.from_pretrained(folder), tokenizer)
    return found


def score_of(criterion: Criterion, values: Any) -> float:
    (metric,) = criterion.metrics
    task, key = metric.address
    return float(values[task][key])


@pytest.fixture(scope="module")
def stages(suites: list[Suite]) -> Stages:
    """The first two models are the inputs; the second is the front."""
    inputs = [suite.score(suite.documents["search"]) for suite in suites[:2]]
    tables = [each.documents for each in inputs]
    scores = [{c.name: score_of(c, each.values) for c in CRITERIA} for each in inputs]
    criteria = fitted(CRITERIA, tables, scores)
    order = document_order(criteria, tables, seed=0)
    members = tuple(reference(i, criteria, table, order) for i, table in enumerate(tables))
    late = suites[0].staged_tasks.generated
    return Stages(order, (4, 8), criteria, members[1:], members[:1], late=late)


def test_a_candidate_that_passes_all_stages_has_the_scores_of_one_scoring(suites, stages):
    """Up to the last bits: the batches are others."""
    never = replace(stages, members=())
    for suite in suites:
        whole = suite.score(suite.documents["search"])
        found, stop = StagedScoring(suite).score(never)
        assert stop is None
        assert found.values.keys() == whole.values.keys()
        for task, values in whole.values.items():
            assert found.values[task] == pytest.approx(values, rel=1e-5)
        for name in ("task", "doc_id", "doc_hash", "prompt_hash", "metric", "filter"):
            assert found.documents[name].to_pylist() == whole.documents[name].to_pylist()
        columns = [each.responses.select(["task", "doc_id"]).to_pylist() for each in (found, whole)]
        assert columns[0] == columns[1]
        assert found.conditions.parts > whole.conditions.parts == 1
        assert replace(found.conditions, parts=1) == whole.conditions


def test_a_stopped_candidate_is_scored_on_the_first_documents_of_the_order_only(suites, stages):
    """Everything is a loss if it has to be much better to be of interest."""
    eager = replace(stages, criteria=tuple(replace(c, tolerance=1e300) for c in stages.criteria))
    found, stop = StagedScoring(suites[2]).score(eager)
    assert stop is not None
    assert (stop.stage, stop.winner) == (1, 1)
    assert found.values == {}
    assert count_documents(found.documents) == stop.documents == 4 * len(stages.order)
    for task, ids in document_ids(found.documents).items():
        assert ids == sorted(stages.order[task][:4])
    assert set(stop.estimates) == {each.name for each in CRITERIA}


def test_a_score_has_one_batch_size_even_if_memory_runs_out_in_a_later_stage(suites, stages):
    suite = suites[0]
    engine, calls = suite._engine, []
    respond = engine.respond

    def halve_in_the_second_stage(kind, requests):
        calls.append(kind)
        if len(calls) == 5:
            engine.batch_size_per_gpu = 3
        return respond(kind, requests)

    engine.respond = halve_in_the_second_stage
    try:
        found, _ = StagedScoring(suite).score(replace(stages, members=()))
    finally:
        engine.respond, engine.batch_size_per_gpu = respond, 5
    assert found.conditions.batch_size == 3
    assert count_documents(found.documents) == stages.documents


def test_the_tasks_that_generate_are_known_and_what_a_group_is_the_mean_of(suites):
    tasks = suites[0].staged_tasks
    assert tasks.generated == {"turn", "say"}
    assert tasks.groups["picks"]["acc,none"].keys() == {"pick", "pick_brier"}
    assert tasks.size("picks") == tasks.documents["pick"] + tasks.documents["pick_brier"]
    assert tasks.members("pick") == {"pick"}


@pytest.mark.parametrize(
    ("address", "error"),
    [
        (("say", "chrf,none"), "x: chrf is no mean or ratio of documents"),
        (("pick_brier", "brier_score,none"), "x: brier_score is no mean"),
        (("picks", "acc,none"), "x: acc,none of picks has no documents"),
    ],
)
def test_an_objective_that_cannot_be_scored_in_stages_is_named(suites, address, error):
    found = suites[0].score(suites[0].documents["search"])
    with pytest.raises(ValueError, match=error):
        fitted([Criterion("x", 1, (StagedMetric(address),))], [found.documents], [{"x": 0.5}])


def test_a_score_that_its_documents_do_not_give_is_no_mean_of_them(suites):
    found = suites[0].score(suites[0].documents["search"])
    with pytest.raises(ValueError, match="x: its task has an aggregation of its own"):
        fitted([replace(CRITERIA[0], name="x")], [found.documents], [{"x": 0.99}])


def test_a_trial_without_some_of_the_documents_is_no_reference(suites, stages):
    part = suites[0].score({"pick": [0, 1, 2]}).documents
    with pytest.raises(ValueError, match="trial 7 is scored on other documents of task pick"):
        reference(7, stages.criteria, part, stages.order)

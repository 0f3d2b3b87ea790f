"""The suite has the same scores as lm-eval, on real models."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import lm_eval
import pytest
import torch
from lm_eval.tasks import TaskManager
from transformers import LlamaForCausalLM

from evaluators.scores import BrokenModel, raw_values
from evaluators.suite import Suite
from evaluators.tasks import SuiteSettings
from tests.evaluators.conftest import OWN_METRICS


@pytest.fixture(scope="module")
def suite(settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any) -> Suite:
    suite = Suite(settings)
    suite.bind(LlamaForCausalLM.from_pretrained(model_dirs[0]), tokenizer)
    return suite


def reference(
    settings: SuiteSettings, path: Path, samples: dict[str, list[int]] | None = None, **more: Any
) -> dict[str, Any]:
    """lm-eval's own scores of the same weights on disk."""
    assert settings.folder
    previous = Path.cwd()
    os.chdir(settings.folder)  # lm-eval looks for data files there
    try:
        result = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": str(path), "device": "cpu"},
            tasks=list(samples or settings.tasks),
            task_manager=TaskManager(include_path=settings.folder, include_defaults=False),
            batch_size=settings.batch_size,
            samples=samples,
            bootstrap_iters=0,
            random_seed=None,
            numpy_random_seed=None,
            **{"torch_random_seed": None, **more},
        )
    finally:
        os.chdir(previous)
    assert result
    return result


def numbers(found: dict[str, Any]) -> dict[str, float]:
    return {key: value for key, value in found.items() if "," in key and value != "N/A"}


def test_a_task_that_samples_has_the_same_scores_each_time_and_those_of_lm_eval(
    write_task: Any, tmp_path: Path, model_dirs: list[Path], tokenizer: Any
) -> None:
    write_task(
        tmp_path,
        [{"text": chr(97 + i % 26) * (1 + i % 5), "tail": "a"} for i in range(24)],
        task="draw",
        output_type="generate_until",
        doc_to_text="{{text}}:",
        doc_to_target="tail",
        repeats=2,
        generation_kwargs={
            "until": ["q"],
            "max_gen_toks": 6,
            "do_sample": True,
            "temperature": 1.5,
        },
        metric_list=[{"metric": "chrf", "aggregation": "chrf", "higher_is_better": True}],
    )
    settings = SuiteSettings(tasks=("draw",), folder=tmp_path, batch_size=5, keep_responses=True)
    suite = Suite(settings)
    suite.bind(LlamaForCausalLM.from_pretrained(model_dirs[0]), tokenizer)
    documents = {"draw": range(24)}
    first, _, again = (suite.score(each) for each in (documents, {"draw": [3, 1]}, documents))
    assert first.responses == again.responses
    assert first.values == again.values
    answers = [json.loads(each) for each in first.responses["response"].to_pylist()]
    assert any(one != other for one, other in answers)  # the repeats are draws of their own
    theirs = reference(settings, model_dirs[0], torch_random_seed=1234)
    assert own_left_out(first.values["draw"]) == numbers(theirs["results"]["draw"])


@pytest.mark.parametrize("names", [("pick", "picks"), ("picks", "pick")])
def test_a_group_and_its_member_are_scored_once_for_both(
    names: tuple[str, ...],
    suite: Suite,
    settings: SuiteSettings,
    model_dirs: list[Path],
    tokenizer: Any,
) -> None:
    both = Suite(settings.model_copy(update={"tasks": names}))
    assert set(both.metrics()) == {"pick", "pick_brier", "picks"}
    both.bind(LlamaForCausalLM.from_pretrained(model_dirs[0]), tokenizer)
    alone, found = (
        each.score({n: range(9) for n in ("pick", "pick_brier")}) for each in (suite, both)
    )
    assert found.values == alone.values
    assert found.documents.num_rows == alone.documents.num_rows


def own_left_out(values: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in values.items() if k.partition(",")[0] not in OWN_METRICS}


def per_document(result: dict[str, Any]) -> dict[tuple[str, int, str, str], Any]:
    return {
        (task, sample["doc_id"], metric, sample["filter"]): sample[metric]
        for task, samples in result["samples"].items()
        for sample in samples
        for metric in sample["metrics"]
    }


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, list):
        return all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    return bool(ours == theirs)


def write_into(suite: Suite, path: Path) -> None:
    assert suite._engine
    suite._engine.model.load_state_dict(LlamaForCausalLM.from_pretrained(path).state_dict())


def test_scores_equal_lm_evals_for_one_model_after_another(
    suite: Suite, settings: SuiteSettings, model_dirs: list[Path]
) -> None:
    everything = {task: range(23) for task in suite.documents["search"]}
    for path in model_dirs:
        write_into(suite, path)
        scores = suite.score(everything)
        result = reference(settings, path)
        assert {task: numbers(its) for task, its in result["results"].items()} == {
            task: own_left_out(its) for task, its in scores.values.items()
        }
        theirs = per_document(result)
        ours = {
            (task, row["doc_id"], metric, name): row["value"]
            for task, its in raw_values(scores.documents).items()
            for (metric, name), values in its.items()
            for row in [{"doc_id": i, "value": v} for i, v in enumerate(values)]
            if metric not in OWN_METRICS
        }
        assert ours.keys() == theirs.keys()
        assert all(same(ours[key], theirs[key]) for key in theirs)
        hashes = {
            (task, s["doc_id"]): (s["doc_hash"], s["prompt_hash"])
            for task, samples in result["samples"].items()
            for s in samples
        }
        assert hashes == {
            (row["task"], row["doc_id"]): (row["doc_hash"], row["prompt_hash"])
            for row in scores.documents.to_pylist()
        }


def test_a_subset_scores_as_lm_eval_scores_it(
    suite: Suite, settings: SuiteSettings, model_dirs: list[Path]
) -> None:
    write_into(suite, model_dirs[1])
    zero_shot = {t: list(i) for t, i in suite.documents["search"].items() if t != "pick_shots"}
    result = reference(settings, model_dirs[1], samples=zero_shot)
    ours = suite.score(zero_shot).values
    for task in zero_shot:
        assert numbers(result["results"][task]).items() <= ours[task].items()


def test_the_same_weights_score_the_same_twice(suite: Suite, model_dirs: list[Path]) -> None:
    write_into(suite, model_dirs[2])
    first = suite.score(suite.documents["search"])
    write_into(suite, model_dirs[0])
    other = suite.score(suite.documents["search"])
    write_into(suite, model_dirs[2])
    again = suite.score(suite.documents["search"])
    assert first == again
    assert other.values != first.values


def test_a_documents_prompt_is_the_same_in_every_set(suite: Suite) -> None:
    part = suite.score({"pick_shots": [7, 3]}).documents.to_pylist()
    whole = suite.score({"pick_shots": range(23)}).documents.to_pylist()
    prompts = {row["doc_id"]: row["prompt_hash"] for row in whole}
    assert {row["doc_id"]: row["prompt_hash"] for row in part} == {3: prompts[3], 7: prompts[7]}


def test_tasks_with_random_few_shot_examples_are_named(suite: Suite) -> None:
    assert suite.random_fewshot == ("pick_shots",)


def test_aggregates_follow_from_the_table(suite: Suite) -> None:
    scores = suite.score(suite.documents["search"])
    assert suite.aggregate(scores.documents) == scores.values


def test_a_nan_never_becomes_a_score(suite: Suite, model_dirs: list[Path]) -> None:
    write_into(suite, model_dirs[0])
    assert suite._engine
    with torch.no_grad():
        suite._engine.model.model.norm.weight[3] = torch.nan
    for task in ("pick", "turn", "text", "end"):
        with pytest.raises(BrokenModel):
            suite.score({task: range(5)})


def test_chat_templates_and_shots_equal_lm_evals(
    settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any
) -> None:
    chat = settings.model_copy(
        update={
            "apply_chat_template": True,
            "num_fewshot": 1,
            "tasks": ("pick_shots", "turn", "text", "end"),
        }
    )
    # only pick_shots has examples to show; lm-eval takes those of the others from their test set
    chat = chat.model_copy(update={"tasks": ("pick_shots",)})
    suite = Suite(chat)
    suite.bind(LlamaForCausalLM.from_pretrained(model_dirs[0]), tokenizer)
    result = reference(chat, model_dirs[0], apply_chat_template=True, num_fewshot=1)
    ours = suite.score({"pick_shots": range(23)}).values["pick_shots"]
    assert numbers(result["results"]["pick_shots"]).items() <= ours.items()


def test_metrics_are_known_without_a_model(settings: SuiteSettings) -> None:
    metrics = Suite(settings).metrics()
    assert metrics["turn"] == {
        "exact_match,all": True,
        "truncated,all": False,
        "exact_match,first": True,
        "truncated,first": False,
        "unparsed,first": False,
    }
    assert metrics["text"] == {"bits_per_byte,none": False, "word_perplexity,none": False}
    assert metrics["picks"] == {"acc,none": True}

"""Requests to a model: batches, memory, limits, responses, gold_logprob and probes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import lm_eval
import pytest
import torch
from lm_eval.tasks import TaskManager
from transformers import LlamaForCausalLM

from evaluators.scores import raw_values
from evaluators.suite import Suite
from evaluators.tasks import SuiteSettings


def bound(settings: SuiteSettings, path: Path, tokenizer: Any, **more: Any) -> Suite:
    suite = Suite(settings.model_copy(update=more))
    suite.bind(LlamaForCausalLM.from_pretrained(path), tokenizer)
    return suite


def test_a_batch_too_large_for_memory_is_halved_and_stays_so(
    settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any
) -> None:
    suite = bound(settings, model_dirs[0], tokenizer, batch_size=16)
    model = suite._engine.model  # type: ignore[union-attr]
    refused = []

    def refuse(_module: Any, _args: Any, inputs: dict[str, Any]) -> None:
        rows = len(inputs["input_ids"]) if "input_ids" in inputs else len(_args[0])
        if rows > 5:
            refused.append(rows)
            raise torch.OutOfMemoryError("too many rows")

    hook = model.register_forward_pre_hook(refuse, with_kwargs=True)
    documents = {"pick": range(23), "turn": range(23), "text": range(23)}
    scores = suite.score(documents)
    assert scores.conditions.batch_size == 4
    count = len(refused)
    assert suite.score(documents) == scores
    assert len(refused) == count  # the smaller batch size is kept
    hook.remove()
    assert scores == bound(settings, model_dirs[0], tokenizer, batch_size=4).score(documents)


def test_a_batch_has_no_more_tokens_than_allowed(
    settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any
) -> None:
    suite = bound(settings, model_dirs[0], tokenizer, batch_size=64, batch_tokens=300)
    model = suite._engine.model  # type: ignore[union-attr]
    sizes = []
    model.register_forward_pre_hook(lambda _module, args: sizes.append(args[0].numel()))
    scores = suite.score({"pick": range(23), "text": range(23)})
    assert max(sizes) <= 300
    assert 1 < scores.conditions.batch_size < 64


def test_a_limit_on_generation_is_lm_evals_own(
    settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = bound(settings, model_dirs[0], tokenizer, max_gen_toks=3, keep_responses=True)
    scores = suite.score({"say": range(23)})
    texts = [json.loads(row["response"])[0] for row in scores.responses.to_pylist()]
    assert max(map(len, texts)) == 3
    assert settings.folder
    monkeypatch.chdir(settings.folder)
    result = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model_dirs[0]), "device": "cpu"},
        tasks=["say"],
        task_manager=TaskManager(include_path=settings.folder, include_defaults=False),
        batch_size=settings.batch_size,
        gen_kwargs={"max_gen_toks": 3},
        bootstrap_iters=0,
    )
    assert result
    assert [sample["resps"][0][0] for sample in result["samples"]["say"]] == texts
    assert scores.values["say"].pop("truncated,none") > 0.5
    assert scores.values["say"].items() <= result["results"]["say"].items()


def test_gold_logprob_is_the_correct_choices_share_of_the_probability(
    settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any
) -> None:
    suite = bound(settings, model_dirs[0], tokenizer, keep_responses=True)
    scores = suite.score({"pick": range(23)})
    gold_logprob = raw_values(scores.documents)["pick"]["gold_logprob", "none"]
    accuracy = raw_values(scores.documents)["pick"]["acc", "none"]
    answers: dict[int, list[float]] = {}
    for row in scores.responses.to_pylist():
        answers.setdefault(row["doc_id"], []).append(json.loads(row["response"])[0][0])
    for doc, (logprob, correct) in enumerate(zip(gold_logprob, accuracy, strict=True)):
        shares = torch.tensor(answers[doc], dtype=torch.float64).softmax(0)
        assert math.exp(logprob) == pytest.approx(float(shares[doc % 3]))
        assert bool(correct) is (int(shares.argmax()) == doc % 3)
    assert scores.values["pick"]["gold_logprob,none"] == pytest.approx(sum(gold_logprob) / 23)


def test_bfloat16_models_score_as_with_lm_evals_softmax_in_float32(
    settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model = LlamaForCausalLM.from_pretrained(model_dirs[0], dtype=torch.bfloat16)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert settings.folder
    monkeypatch.chdir(settings.folder)
    result = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(tmp_path), "device": "cpu", "softmax_dtype": "float32"},
        tasks=["end", "pick_brier"],
        task_manager=TaskManager(include_path=settings.folder, include_defaults=False),
        batch_size=settings.batch_size,
        bootstrap_iters=0,
    )
    suite = Suite(settings)
    suite.bind(model, tokenizer)
    scores = suite.score({"end": range(23), "pick_brier": range(23)})
    assert result
    for task in ("end", "pick_brier"):
        theirs = {k: v for k, v in result["results"][task].items() if k in scores.values[task]}
        assert theirs.items() <= scores.values[task].items()
        assert theirs


def test_probes_come_from_search_documents_of_all_tasks(
    settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any
) -> None:
    suite = bound(settings, model_dirs[0], tokenizer)
    probes = suite.probes(texts=14, prompts=4)
    assert (len(probes.texts), len(probes.prompts)) == (14, 4)
    assert sum(text.startswith("Q: ") for text in probes.texts) == 6  # two of each of three tasks
    prompts = {
        document.requests[0].args[0]
        for task in ("turn", "say")
        for document in (suite._task_documents[task][i] for i in suite.documents["search"][task])
    }
    assert set(probes.prompts) <= prompts

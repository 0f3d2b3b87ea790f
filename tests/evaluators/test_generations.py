"""How generated answers ended: by themselves or at their limit, and whether one was found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from evaluators.scores import raw_values
from evaluators.suite import Suite
from evaluators.suite.generations import GeneratedText, answer_metrics
from evaluators.tasks import SuiteSettings

LIMIT = 6


@pytest.fixture(scope="module")
def suite(
    tmp_path_factory: pytest.TempPathFactory,
    write_task: Callable[..., Path],
    model_dirs: list[Path],
    tokenizer: Any,
) -> Suite:
    """A model that ends some of its texts, and a task whose filter finds a letter in some."""
    folder = tmp_path_factory.mktemp("ends")
    write_task(
        folder,
        [{"text": f"{chr(97 + i % 26)}{i}", "answer": "x"} for i in range(60)],
        task="ends",
        output_type="generate_until",
        doc_to_text="{{text}}>",
        doc_to_target="answer",
        repeats=2,
        generation_kwargs={"until": ["Z", "k"], "max_gen_toks": LIMIT, "do_sample": False},
        filter_list=[
            {
                "name": "letter",
                "filter": [
                    {"function": "regex", "regex_pattern": "([a-j])"},
                    {"function": "take_first"},
                ],
            },
            {"name": "all", "filter": [{"function": "take_first"}]},
        ],
        metric_list=[{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    )
    settings = SuiteSettings(tasks=("ends",), folder=folder, batch_size=7, keep_responses=True)
    model = LlamaForCausalLM.from_pretrained(model_dirs[0])
    with torch.no_grad():
        model.lm_head.weight[1] *= 4  # the end token
    suite = Suite(settings)
    suite.bind(model, tokenizer)
    return suite


def test_a_text_is_truncated_exactly_if_it_ended_neither_by_itself_nor_by_a_stop_text(
    suite, tokenizer
):
    """As transformers alone ends each text, one by one and not in batches."""
    scores = suite.score({"ends": range(60)})
    truncated = raw_values(scores.documents)["ends"]["truncated", "letter"]
    lengths = []
    for i in range(60):
        prompt = tokenizer(f"{chr(97 + i % 26)}{i}>", return_tensors="pt").input_ids
        tokens = suite._engine.model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=2 * LIMIT,
            do_sample=False,
            stop_strings=["Z", "k"],
            tokenizer=tokenizer,
        )
        lengths.append(tokens.shape[1] - prompt.shape[1])
    assert truncated == [float(length > LIMIT) for length in lengths]
    assert 0.1 < sum(truncated) / 60 < 0.9
    assert len(set(lengths)) > 3  # some texts ended while others of their batch went on
    assert scores.values["ends"]["truncated,all"] == pytest.approx(sum(truncated) / 60)


def test_an_answer_is_unparsed_exactly_if_the_filter_found_none(suite):
    scores = suite.score({"ends": range(60)})
    found = raw_values(scores.documents)["ends"]
    texts = [json.loads(row["response"])[0] for row in scores.responses.to_pylist()]
    expected = [float(not set(text) & set("abcdefghij")) for text in texts]
    assert found["unparsed", "letter"] == expected
    assert 0 < sum(expected) < 60
    assert ("unparsed", "all") not in found  # a filter that takes the whole text


def test_responses_are_kept_as_plain_texts(suite):
    assert type(str(GeneratedText.of("a", truncated=True))) is str
    assert all(
        type(text) is str
        for row in suite.score({"ends": [1, 2]}).responses.to_pylist()
        for text in json.loads(row["response"])
    )


def test_several_answers_to_a_document_count_as_their_share():
    assert answer_metrics(0.5, ["[invalid]", "b"], ["[invalid]"]) == {
        "truncated": 0.5,
        "unparsed": 0.5,
    }
    assert answer_metrics(None, [["invalid"]], [["invalid"]]) == {"unparsed": 1.0}
    assert answer_metrics(None, ["b"], []) == {}

"""The gate on models that are trained here and then damaged as a bad merge damages them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from evaluators.gate import Gate
from evaluators.gate_limits import GateSettings, Measurements, Probes, violation
from evaluators.suite.hf_engine import HfEngine

SETTINGS = GateSettings()


def line(random: Random, capitals: float) -> str:
    """A word and its copy, which may be in capitals."""
    word = "".join(random.choices("abcdefgh", k=random.randint(3, 6)))
    return f"{word}>{word.upper() if random.random() < capitals else word}\n"


def train(model: LlamaForCausalLM, tokenizer: Any, capitals: float, steps: int) -> LlamaForCausalLM:
    random = Random(steps)
    model = deepcopy(model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        texts = [line(random, capitals) + line(random, capitals) for _ in range(32)]
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
        model(batch.input_ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def soup(models: list[LlamaForCausalLM]) -> LlamaForCausalLM:
    mean = deepcopy(models[0])
    states = [model.state_dict() for model in models]
    mean.load_state_dict(
        {name: sum(state[name] for state in states) / len(states) for name in states[0]}
    )
    return mean


@pytest.fixture(scope="module")
def trained(tokenizer: Any) -> list[LlamaForCausalLM]:
    """A base that copies words, half of them in capitals, and an expert for each half."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    base = train(LlamaForCausalLM(config), tokenizer, 0.5, 200)
    return [base, train(base, tokenizer, 0.2, 40), train(base, tokenizer, 0.8, 40)]


GateOf = Callable[[LlamaForCausalLM], Gate]


@pytest.fixture(scope="module")
def gate_of(tokenizer: Any) -> GateOf:
    random = Random(1)
    texts = tuple(line(random, 0.5) + line(random, 0.5) for _ in range(8))
    probes = Probes(texts, tuple(text[:4] for text in texts))
    return lambda model: Gate(SETTINGS, HfEngine(model, tokenizer), probes)


@pytest.fixture(scope="module")
def inputs(gate_of: GateOf, trained: list[LlamaForCausalLM]) -> list[Measurements]:
    return [gate_of(model).measure() for model in trained]


def put_nan(model: LlamaForCausalLM) -> None:
    model.model.layers[1].mlp.up_proj.weight[3, 5] = torch.nan


def swap_layers(model: LlamaForCausalLM) -> None:
    first, *middle, last = model.model.layers
    model.model.layers = torch.nn.ModuleList([last, *middle, first])


def sharpen(model: LlamaForCausalLM) -> None:
    model.lm_head.weight.mul_(20)


def flatten(model: LlamaForCausalLM) -> None:
    model.lm_head.weight.mul_(0.05)


def add_noise(model: LlamaForCausalLM) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.add_(noise * parameter.std())


@pytest.mark.parametrize("damage", [put_nan, swap_layers, sharpen, flatten, add_noise])
def test_a_broken_model_is_caught(
    damage: Callable[[LlamaForCausalLM], None],
    gate_of: GateOf,
    trained: list[LlamaForCausalLM],
    inputs: list[Measurements],
) -> None:
    for model in (trained[0], soup(trained)):
        broken = deepcopy(model)
        with torch.no_grad():
            damage(broken)
        assert gate_of(broken).check(inputs)


def test_every_input_model_and_the_soup_pass(
    gate_of: GateOf, trained: list[LlamaForCausalLM], inputs: list[Measurements]
) -> None:
    for model in (*trained, soup(trained), soup(trained[1:])):
        assert gate_of(model).check(inputs) is None


def test_the_reason_names_the_weight(
    gate_of: GateOf, trained: list[LlamaForCausalLM], inputs: list[Measurements]
) -> None:
    broken = deepcopy(trained[0])
    with torch.no_grad():
        put_nan(broken)
    assert gate_of(broken).check(inputs) == (
        "weight model.layers.1.mlp.up_proj.weight is not finite"
    )


def test_measuring_twice_gives_the_same(gate_of: GateOf, trained: list[LlamaForCausalLM]) -> None:
    gate = gate_of(trained[0])
    assert gate.measure() == gate.measure()


HEALTHY = Measurements(None, (2.0, 4.1), 8.5, 1.0, 5.0, 0.5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"nll": (3.8, 4.8)}, "perplexity 73.7, over 2 times"),
        ({"nll": (1e4, 1e4)}, "perplexity 1.01e+304, over 2 times"),
        ({"nll_p95": 8.7}, "95th percentile of perplexity 6e+03, over 100 times"),
        ({"entropy": 0.1}, "entropy 0.1, under 1/3"),
        ({"entropy": 3.9}, None),
        ({"entropy": 4.1}, "entropy 4.1, over 4; the input models' highest is 1"),
        ({"repetition": 0.81}, "81% of the generated 4-grams are repeated, over 80%"),
        ({"error": "the logits are not finite"}, "the logits are not finite"),
    ],
)
def test_a_model_is_compared_with_the_worst_input_model(
    change: dict[str, Any], reason: str | None
) -> None:
    inputs = [
        Measurements(None, (3.0, 2.0), 4.0, 1.0, 5.0, 0.6),
        Measurements(None, (1.0, 4.0), 2.0, 0.5, 5.0, 0.2),
    ]
    found = violation(replace(HEALTHY, **change), inputs, SETTINGS)
    assert found is None if reason is None else found is not None and found.startswith(reason)


def test_a_tokenizer_without_tokens_for_the_texts_is_named(trained):
    """As where transformers takes a tokenizer's words for bytes, because of the model's type."""
    empty = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(BPE({"<s>": 0, "</s>": 1}, [])),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
    )
    engine = HfEngine(trained[0], empty)
    request = Instance("loglikelihood", {}, ("code", " yes"), 0)
    engine.limit_batch([request], 1000)
    with pytest.raises(ValueError, match="the gate needs texts of at least two tokens"):
        Gate(SETTINGS, engine, Probes(("code yes",), ("code",)))

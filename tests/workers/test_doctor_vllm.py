"""The GPU memory that the doctor expects a vLLM to need."""

from __future__ import annotations

import pytest
import torch

from evaluators.tasks import SuiteSettings, VllmSettings
from workers.checkpoint import load_model, open_headers
from workers.doctor import estimate
from workers.doctor.vllm_memory import vllm_memory
from workers.recipe import Source

TOKENS = 12


def scoring(**settings: object) -> SuiteSettings:
    return SuiteSettings(tasks=(), engine="vllm", vllm=VllmSettings(**settings))


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mixtral", "gemma2"])
def test_the_cache_has_the_bytes_that_transformers_keeps_for_a_text(architecture, zoo):
    source = Source(str(zoo(architecture)))
    checkpoint = open_headers(source)
    found = vllm_memory(checkpoint, scoring(dtype="float32", max_model_len=TOKENS))
    model = load_model(checkpoint)
    with torch.no_grad():
        kept = model(torch.arange(TOKENS)[None], use_cache=True).past_key_values
    layers = [each for layer in kept.layers for each in (layer.keys, layer.values)]
    assert found.cache == sum(each.numel() * 4 for each in layers)
    assert found.weights == sum(each.numel() * 4 for each in model.parameters())


def test_the_gpu_has_room_for_weights_and_cache_in_the_share_of_vllm(zoo):
    base, a = Source(str(zoo())), Source(str(zoo(seed=1)))
    found = estimate(base, {"a": a}, scoring=scoring(gpu_memory_utilization=0.25))
    assert found.vllm.gpu == 4 * (found.vllm.weights + found.vllm.cache)
    assert found.vllm.weights == 2 * found.parameters  # `auto` is a dtype of 16 bits
    assert "gpu_memory_utilization 0.25, a GPU of more than" in found.lines()[-1]
    assert estimate(base, {"a": a}, scoring=SuiteSettings(tasks=())).vllm is None


def test_a_cache_of_8_bits_is_half_as_large(zoo):
    checkpoint = open_headers(Source(str(zoo())))
    whole, half = (
        vllm_memory(checkpoint, scoring(kv_cache_dtype=each)).cache for each in ("auto", "fp8")
    )
    assert whole == 2 * half


def test_a_cache_of_another_kind_is_not_guessed(zoo):
    checkpoint = open_headers(Source(str(zoo("deepseek_v3"))))
    found = vllm_memory(checkpoint, scoring())
    assert found.cache is None
    assert "and its cache beside them" in found.line()

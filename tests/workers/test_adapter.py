"""`path + adapter` reads as the model that peft makes of the two, to the last bit."""

from __future__ import annotations

import pytest
import torch

from tests.workers.makers import make_adapter
from workers.checkpoint import load_model, open_checkpoint
from workers.recipe import Source

pytestmark = [
    pytest.mark.filterwarnings(  # peft 0.21 asks transformers 5.23 the old way
        "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
    ),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning"),
]

PLAIN = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "every linear": {"target_modules": "all-linear"},
}
OTHER = {
    "dora": {"use_dora": True},
    "rank pattern": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 9}},
    "saved modules": {"modules_to_save": ["lm_head"]},
    "biases": {"bias": "lora_only", "target_modules": ["q_proj"]},
    "embedding": {"target_modules": ["embed_tokens", "q_proj"]},
}


def by_peft(model, adapter, dtype):
    import peft
    from transformers import AutoModelForCausalLM

    live = AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    merged = peft.PeftModel.from_pretrained(live, adapter).merge_and_unload(safe_merge=True)
    return dict(merged.named_parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", [*PLAIN, *OTHER])
@pytest.mark.usefixtures("cache")
def test_reads_as_peft_merges(kind, dtype, zoo, tmp_path):
    changes = {"attention_bias": True} if kind == "biases" else {}
    model = zoo("llama", dtype=dtype, **changes)
    adapter = make_adapter(tmp_path / "adapter", model, **{**PLAIN, **OTHER}[kind])
    read = open_checkpoint(Source(str(model), adapter=str(adapter)))
    assert read.adapter.is_plain == (kind in PLAIN)
    expected = by_peft(model, adapter, dtype)
    assert expected.keys() == read.tensors.keys()
    for name, tensor in expected.items():
        assert torch.equal(read.tensor(name), tensor), name
    changed = [
        n for n, t in expected.items() if not torch.equal(read.without_adapter().tensor(n), t)
    ]
    assert set(changed) == set(read.adapter.changes)


@pytest.mark.usefixtures("cache")
def test_transposed_weights_of_gpt2_take_an_adapter(zoo, tmp_path):
    model = zoo("gpt2")
    settings = {"target_modules": ["c_attn"], "fan_in_fan_out": True}
    adapter = make_adapter(tmp_path / "adapter", model, **settings)
    read = open_checkpoint(Source(str(model), adapter=str(adapter)))
    for name, tensor in by_peft(model, adapter, torch.float32).items():
        assert torch.equal(read.tensor(name), tensor), name


@pytest.mark.usefixtures("cache")
def test_a_live_model_has_its_adapter(zoo, tmp_path):
    adapter = make_adapter(tmp_path / "adapter", zoo())
    read = open_checkpoint(Source(str(zoo()), adapter=str(adapter)))
    live = dict(load_model(read).named_parameters())
    assert all(torch.equal(read.tensor(name), live[name]) for name in read.tensors)


def test_what_changes_is_written_once_and_never_half(zoo, tmp_path, cache):
    adapter = make_adapter(tmp_path / "adapter", zoo())
    for _ in range(2):
        read = open_checkpoint(Source(str(zoo()), adapter=str(adapter)))
        read.tensor("model.layers.0.self_attn.q_proj.weight")
    files = list((cache / "adapters").iterdir())
    assert [file.suffix for file in files] == [".safetensors"]
    assert files[0].stat().st_size < sum(t.nbytes for t in read.tensors.values()) / 2


def test_a_fingerprint_names_model_and_adapter(zoo, tmp_path, cache):
    one, other = (make_adapter(tmp_path / f"a{i}", zoo(), seed=i) for i in (1, 2))
    prints = {
        open_checkpoint(Source(str(zoo()), adapter=place)).fingerprint
        for place in (None, str(one), str(other))
    }
    assert len(prints) == 3

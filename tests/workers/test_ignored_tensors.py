"""What transformers does not load from a model's files is not merged, and hinders no merge."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from tests.workers.makers import EXPERTS, GPT2, NEOX, SHAPE, make_model, merged_live
from workers.checkpoint import open_checkpoint
from workers.doctor import examine
from workers.merge import merge
from workers.recipe import Group, Recipe, Source

pytestmark = pytest.mark.usefixtures("cache")
FILE = "model.safetensors"
NEO = {
    **{k: SHAPE[k] for k in ("vocab_size", "hidden_size", "bos_token_id", "eos_token_id")},
    "num_layers": 2,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 1]],
}
GPTJ = {"n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4}
QWEN3_NEXT = {
    **SHAPE,
    "num_experts": 2,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 8,
    "shared_expert_intermediate_size": 8,
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 4,
    "linear_value_head_dim": 4,
}
MASK = torch.ones(1, 1, 64, 64).tril()
CASES: dict[str, tuple[str, dict, dict[str, torch.Tensor]]] = {
    "rotary buffers of llama": (
        "llama",
        SHAPE,
        {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.rand(2) for i in range(2)},
    ),
    "masks of gpt2": (
        "gpt2",
        GPT2,
        {
            "transformer.h.0.attn.bias": MASK.to(torch.uint8),
            "transformer.h.1.attn.bias": MASK,
            "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
        },
    ),
    "masks of gpt_neo": (
        "gpt_neo",
        NEO,
        {
            "transformer.h.0.attn.attention.bias": MASK.to(torch.bool),
            "transformer.h.0.attn.attention.masked_bias": torch.tensor(-float("inf")),
        },
    ),
    "masks of gpt_neox": (
        "gpt_neox",
        NEOX,
        {
            "gpt_neox.layers.0.attention.bias": MASK.to(torch.bool),
            "gpt_neox.layers.0.attention.rotary_emb.inv_freq": torch.rand(2),
        },
    ),
    "masks of gptj, stored as floats": (
        "gptj",
        {**GPTJ, "vocab_size": 48},
        {
            "transformer.h.0.attn.bias": MASK,
            "transformer.h.0.attn.masked_bias": torch.tensor(-1e9),
        },
    ),
    "masks of codegen, stored as floats": (
        "codegen",
        {**GPTJ, "vocab_size": 48},
        {"transformer.h.1.attn.causal_mask": MASK.half()},
    ),
    "token prediction of qwen3_next": (
        "qwen3_next",
        QWEN3_NEXT,
        {"mtp.fc.weight": torch.rand(16, 32), "mtp.norm.weight": torch.rand(16).bfloat16()},
    ),
}


@pytest.fixture(scope="module", params=CASES)
def pair(request, tmp_path_factory) -> tuple[list[Path], dict[str, torch.Tensor]]:
    """A base and a model without ignored tensors, and those that files of theirs have."""
    architecture, shape, extra = CASES[request.param]
    root = tmp_path_factory.mktemp(architecture)
    return [saved(root / str(seed), architecture, shape, seed) for seed in range(2)], extra


def saved(folder: Path, architecture: str, shape: dict, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    config = AutoConfig.for_model(architecture, **shape)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def edited(
    folder: Path, copy: Path, change: Callable[[dict[str, torch.Tensor]], object], **config: object
) -> Path:
    shutil.copytree(folder, copy)
    tensors = load_file(copy / FILE)
    change(tensors)
    save_file(tensors, copy / FILE, metadata={"format": "pt"})
    settings = json.loads((copy / "config.json").read_text()) | config
    (copy / "config.json").write_text(json.dumps(settings))
    return copy


def with_extra(folder: Path, copy: Path, extra: Mapping[str, torch.Tensor]) -> Path:
    return edited(folder, copy, lambda tensors: tensors.update(extra))


def recipe_of(base: Path, model: Path) -> Recipe:
    group = Group({"weight": 0.6, "density": 0.5})
    return Recipe("ties", {"a": Source(str(model))}, (group,), Source(str(base)))


def merged(base: Path, model: Path, out: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors of the exported file, and the doctor's warnings, but for those of tokenizers."""
    warnings = [str(each) for each in merge(recipe_of(base, model), out)]
    return load_file(out / FILE), [each for each in warnings if "tokenizer" not in each]


@pytest.mark.parametrize("who", [(True, False), (False, True)])
def test_ignored_tensors_are_the_bases_and_change_nothing_else(who, pair, tmp_path):
    clean, extra = pair
    models = [
        with_extra(folder, tmp_path / str(i), extra) if has else folder
        for i, (folder, has) in enumerate(zip(clean, who, strict=True))
    ]
    expected, silence = merged(*clean, tmp_path / "clean")
    found, warnings = merged(*models, tmp_path / "out")
    assert silence == []
    assert len(warnings) == sum(who)
    assert all(FILE in each and any(name in each for name in extra) for each in warnings)
    expected |= extra if who[0] else {}
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name
    loaded, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not report["missing_keys"]
    for name, tensor in merged_live(recipe_of(*models)).state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


TIED = {"tie_word_embeddings": True}
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


def test_a_stored_head_that_equals_the_embedding_is_ignored(zoo, tmp_path):
    stored = edited(
        zoo(**TIED), tmp_path / "stored", lambda t: t.update({HEAD: t[EMBEDDING].clone()})
    )
    expected, _ = merged(zoo(**TIED), zoo(seed=1, **TIED), tmp_path / "clean")
    found, warnings = merged(stored, zoo(seed=1, **TIED), tmp_path / "out")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert len(warnings) == 1
    assert f"{stored / FILE}: {HEAD} is ignored, because" in warnings[0]


def test_a_stored_head_that_differs_is_a_head_as_it_is_for_transformers(zoo, tmp_path):
    other = edited(zoo(), tmp_path / "other", lambda _: None, **TIED)
    found, warnings = merged(other, zoo(seed=1), tmp_path / "out")
    expected, _ = merged(zoo(), zoo(seed=1), tmp_path / "clean")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert not json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"]
    assert len(warnings) == 1
    assert f"the files have a {HEAD} with other values" in warnings[0]


def test_a_head_is_dropped_where_the_config_leaves_the_tie_to_its_default(tmp_path):
    folder = make_model(tmp_path / "model", "gpt2")
    head, embedding = "lm_head.weight", "transformer.wte.weight"
    old = edited(folder, tmp_path / "old", lambda t: t.update({head: t[embedding].clone()}))
    config = json.loads((old / "config.json").read_text())
    config.pop("tie_word_embeddings")
    (old / "config.json").write_text(json.dumps(config))
    checkpoint = open_checkpoint(Source(str(old)))
    assert checkpoint.tied
    assert checkpoint.copies == {head: embedding}
    assert head not in checkpoint.tensors


@pytest.mark.parametrize(
    ("architecture", "shape"), [("llama", SHAPE), ("mixtral", EXPERTS["mixtral"])]
)
@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("mtp.fc.weight", torch.rand(2, 2)),
        ("model.layers.0.gate_scale", torch.tensor(2.0)),
    ],
)
def test_a_tensor_that_is_really_unknown_is_an_error(name, tensor, architecture, shape, tmp_path):
    clean = saved(tmp_path / "clean", architecture, shape)
    bad = with_extra(clean, tmp_path / "bad", {name: tensor})
    found = examine(Source(str(clean)), {"a": Source(str(bad))}, live=False)
    said = [f"{each.level}: {each}" for each in found]
    expected = f"error: models.a: {bad / FILE}: {name} is not a tensor of a {architecture}"
    assert any(each.startswith(expected) for each in said)


def test_a_tensor_that_the_index_leaves_out_is_read_and_carried_over(tmp_path):
    clean = saved(tmp_path / "clean", "qwen3_next", QWEN3_NEXT)
    extra = CASES["token prediction of qwen3_next"][2]
    whole = with_extra(clean, tmp_path / "whole", extra)
    names = load_file(clean / FILE)
    (whole / FILE).rename(whole / "model-00001-of-00001.safetensors")
    index = {"weight_map": dict.fromkeys(names, "model-00001-of-00001.safetensors")}
    (whole / "model.safetensors.index.json").write_text(json.dumps(index))
    found, _ = merged(whole, clean, tmp_path / "out")
    assert found.keys() == names.keys() | extra.keys()


def test_the_fingerprint_is_of_the_ignored_tensors_too(tmp_path):
    clean = saved(tmp_path / "clean", "qwen3_next", QWEN3_NEXT)
    shards = {f"model-0000{i}-of-00002.safetensors" for i in (1, 2)}
    digests = set()
    for value in range(2):
        folder = shutil.copytree(clean, tmp_path / str(value))
        names = load_file(folder / FILE)
        first, second = sorted(shards)
        (folder / FILE).rename(folder / first)
        save_file({"mtp.norm.weight": torch.full((16,), float(value))}, folder / second)
        index = {"weight_map": {**dict.fromkeys(names, first), "mtp.norm.weight": second}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        digests.add(open_checkpoint(Source(str(folder))).fingerprint)
    assert len(digests) == 2

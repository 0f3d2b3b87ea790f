"""A merge of LoRA adapters on one base is written as one adapter, and is the same model."""

from __future__ import annotations

import json

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.workers.makers import make_adapter
from workers.checkpoint import open_checkpoint, read_json
from workers.merge import merge
from workers.merge_adapter import NoAdapterError, merge_adapter
from workers.recipe import Group, Recipe, Source

pytestmark = [
    pytest.mark.usefixtures("cache"),
    pytest.mark.filterwarnings(  # peft 0.21 asks transformers 5.23 the old way
        "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
    ),
]
SETTINGS = {
    "a": {},
    "b": {"r": 2, "use_rslora": True, "target_modules": ["q_proj", "v_proj"]},
    "c": {"rank_pattern": {"layers.1.self_attn.q_proj": 1}, "alpha_pattern": {"down_proj": 9}},
}


@pytest.fixture
def models(zoo, tmp_path) -> dict[str, Source]:
    """A base, and three adapters on it of different ranks, scales and modules."""
    base = zoo("llama")
    found = {
        name: make_adapter(tmp_path / name, base, seed, **settings)
        for seed, (name, settings) in enumerate(SETTINGS.items(), start=1)
    }
    return {
        "base": Source(str(base)),
        **{name: Source(str(base), adapter=str(folder)) for name, folder in found.items()},
    }


def recipe(models, method="task_arithmetic", groups=None, *, base=True, **given) -> Recipe:
    names = {name: source for name, source in models.items() if name != "base"}
    weights = dict(zip(names, (0.75, -0.5, 1.25), strict=False))
    groups = groups or (Group({"weight": weights}),)
    return Recipe(method, names, groups, models["base"] if base else None, **given)


def by_peft(base: Source, adapter) -> dict[str, torch.Tensor]:
    import peft

    live = AutoModelForCausalLM.from_pretrained(base.path)
    merged = peft.PeftModel.from_pretrained(live, adapter).merge_and_unload(safe_merge=True)
    return dict(merged.named_parameters())


def groups_of(models) -> tuple[Group, ...]:
    """Weights by layer and module; the first layer has no `b`, and the MLPs have no update."""
    names = [name for name in models if name != "base"]
    return (
        Group({"weight": dict.fromkeys(names, 0.0)}, modules=("mlp",)),
        Group({"weight": {**dict.fromkeys(names, 0.5), "b": 0.0}}, layers=(0, 1)),
        Group({"weight": dict.fromkeys(names, 0.25)}),
    )


@pytest.mark.parametrize("kind", ["task_arithmetic", "linear", "model_stock", "groups"])
def test_base_and_adapter_are_the_whole_merge(kind, models, tmp_path):
    chosen = {
        "task_arithmetic": lambda: recipe(models),
        "linear": lambda: recipe(models, "linear", base=False),
        "model_stock": lambda: recipe(models, "model_stock", (Group({}),)),
        "groups": lambda: recipe(models, groups=groups_of(models)),
    }[kind]()
    source = merge_adapter(chosen, tmp_path / "lora")
    merge(chosen, tmp_path / "whole")
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    base = load_file(f"{models['base'].path}/model.safetensors")
    live = by_peft(models["base"], tmp_path / "lora")
    read = open_checkpoint(source)
    for name, tensor in whole.items():
        torch.testing.assert_close(live[name], tensor, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(read.tensor(name), tensor, rtol=1e-5, atol=1e-5)
    changed = {name for name in whole if (whole[name] - base[name]).abs().max() > 1e-4}
    assert set(read.changes) == changed
    assert changed


def test_ranks_add_up_and_modules_without_an_update_are_left_out(models, tmp_path):
    merge_adapter(recipe(models, groups=groups_of(models)), tmp_path / "lora")
    tensors = load_file(tmp_path / "lora" / "adapter_model.safetensors")
    ranks = {
        k.removeprefix("base_model.model.model."): len(v)
        for k, v in tensors.items()
        if "lora_A" in k
    }
    assert ranks == {
        "layers.0.self_attn.q_proj.lora_A.weight": 3 + 3,
        "layers.1.self_attn.q_proj.lora_A.weight": 3 + 2 + 1,
        "layers.1.self_attn.v_proj.lora_A.weight": 2,
    }
    config = read_json(tmp_path / "lora" / "adapter_config.json")
    assert config["r"] == config["lora_alpha"] == 6
    assert config["rank_pattern"] == config["alpha_pattern"]
    assert config["rank_pattern"] == {"model.layers.1.self_attn.v_proj": 2}
    assert config["target_modules"] == ["q_proj", "model.layers.1.self_attn.v_proj"]


def test_the_directory_is_one_to_publish(models, tmp_path):
    chosen = recipe(models, chat_template="chatml")
    merge_adapter(chosen, tmp_path / "lora")
    card = ModelCard.load(tmp_path / "lora" / "README.md")
    assert card.data.library_name == "peft"
    assert card.data.base_model is None  # it is a folder of this machine
    assert "A merge of LoRA adapters" in card.text
    files = {each.name for each in (tmp_path / "lora").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= files
    assert "<|im_start|>" in (tmp_path / "lora" / "chat_template.jinja").read_text()
    assert json.loads((tmp_path / "lora" / "recipe.json").read_text()) == chosen.to_dict()
    manifest = read_json(tmp_path / "lora" / "manifest.json")
    assert files - {"manifest.json"} == set(manifest["files"])


def test_adapters_of_transposed_weights_are_one_too(zoo, tmp_path):
    base, settings = zoo("gpt2"), {"target_modules": ["c_attn"], "fan_in_fan_out": True}
    models = {
        name: Source(str(base), adapter=str(make_adapter(tmp_path / name, base, seed, **settings)))
        for seed, name in enumerate("ab")
    }
    chosen = recipe({"base": Source(str(base)), **models})
    merge_adapter(chosen, tmp_path / "lora")
    merge(chosen, tmp_path / "whole")
    live = by_peft(chosen.base, tmp_path / "lora")
    for name, tensor in load_file(tmp_path / "whole" / "model.safetensors").items():
        torch.testing.assert_close(live[name], tensor, rtol=1e-5, atol=1e-5)


def test_an_adapter_of_an_adapter_can_be_merged_again(models, tmp_path):
    source = merge_adapter(recipe(models), tmp_path / "lora")
    again = merge_adapter(recipe({"base": models["base"], "m": source}), tmp_path / "again")
    read, first = open_checkpoint(again), open_checkpoint(source)
    base = open_checkpoint(models["base"])
    for name in first.changes:
        delta = first.tensor(name) - base.tensor(name)
        torch.testing.assert_close(
            read.tensor(name), base.tensor(name) + 0.75 * delta, rtol=1e-5, atol=1e-5
        )


REFUSED = {
    "ties": "ties chooses single entries of the updates",
    "linear": "linear multiplies the base by 1.5 in ",
    "whole": "full: .* is a whole model, without an adapter",
    "base": "a: .*/other \\+ .* is on another model than",
    "dora": "a: .*/dora is no plain LoRA: its config has use_dora",
    "saved": "a: .*/saved is no plain LoRA: its config has modules_to_save",
    "embedding": "a: .*/embedding has more than low-rank updates of weights",
    "tokenizer": "tokenizer: is chosen",
    "nothing": "no adapter has a weight",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_adapter_is_refused_with_the_reason(kind, models, zoo, tmp_path):
    base = models["base"]
    settings = {
        "dora": {"use_dora": True},
        "saved": {"modules_to_save": ["lm_head"]},
        "embedding": {"target_modules": ["embed_tokens"]},
    }
    method, groups, given = "task_arithmetic", None, {}
    if kind in settings:
        folder = make_adapter(tmp_path / kind, zoo("llama"), 7, **settings[kind])
        models = {**models, "a": Source(base.path, adapter=str(folder))}
    elif kind == "base":
        merge(recipe(models), tmp_path / "other")
        models = {**models, "a": Source(str(tmp_path / "other"), adapter=models["a"].adapter)}
    elif kind == "whole":
        fingerprint = open_checkpoint(base).fingerprint
        models = {"base": base, "full": Source(base.path, fingerprint=fingerprint)}
    elif kind == "ties":
        method, groups = "ties", (Group({"weight": 0.5, "density": 0.5}),)
    elif kind == "linear":
        method, groups = "linear", (Group({"weight": 0.5, "normalize": False}),)
    elif kind == "nothing":
        groups = (Group({"weight": 0.0}),)
    elif kind == "tokenizer":
        given = {"tokenizer": "base"}
    with pytest.raises(NoAdapterError, match=REFUSED[kind]) as refused:
        merge_adapter(recipe(models, method, groups, **given), tmp_path / "out")
    assert "Leave out --adapter to export the whole model." in str(refused.value)
    assert not (tmp_path / "out").exists()

"""Hybrid models: layers in place of attention have a module class of their own."""

from __future__ import annotations

import re

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.workers.makers import HYBRIDS, make_model
from workers.checkpoint import load_model, open_checkpoint
from workers.doctor import examine
from workers.merge import merge
from workers.merging import Engine, MergeSettings
from workers.recipe import Group, Recipe, Source, is_vocabulary, module_of

NAMES = ("base", "a", "b")
STATES = ("A_log", "dt_bias", "conv1d.weight", "conv_1d.weight", "conv.conv.weight")
ATTENTION = re.compile(r"\.[qkvo]_proj\.|self_attn\.out_proj\.")


@pytest.fixture(scope="module", params=HYBRIDS)
def sources(request, tmp_path_factory) -> dict[str, Source]:
    """A base and two models of one architecture."""
    root = tmp_path_factory.mktemp(request.param)
    return {
        name: Source(str(make_model(root / name, request.param, seed)))
        for seed, name in enumerate(NAMES)
    }


def test_every_tensor_of_a_layer_has_a_class_and_states_are_ssm(sources):
    classes = {name: module_of(name) for name in open_checkpoint(sources["base"]).tensors}
    assert any(module == "embed" and is_vocabulary(name) for name, module in classes.items())
    for name, module in classes.items():
        assert module == "ssm" or not name.endswith(STATES), name
        assert (module == "self_attn") == bool(ATTENTION.search(name)), name
        assert module != "other" or name.endswith(".linear.weight"), name  # of Zamba 2


def test_a_live_merge_weighs_them_apart_and_is_the_file_merge(sources, cache, tmp_path):
    weights = ({"a": 0.5, "b": 0.5}, {"a": 0.8, "b": 0.4})
    groups = (Group({"weight": weights[0]}, modules=("ssm",)), Group({"weight": weights[1]}))
    models = {name: sources[name] for name in "ab"}
    recipe = Recipe("task_arithmetic", models, groups, base=sources["base"])
    opened = {name: open_checkpoint(source) for name, source in sources.items()}
    base = opened.pop("base")
    live = load_model(base)
    before = {name: tensor.clone() for name, tensor in live.state_dict().items()}
    Engine(opened, base, settings=MergeSettings(mode="eager")).apply(recipe, live)
    merge(recipe, tmp_path / "out")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    expected = loaded.state_dict()
    for name, tensor in live.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
        assert not torch.equal(tensor, before[name]), name
    ssm = next(name for name in base.tensors if module_of(name) == "ssm")
    mean = (opened["a"].tensor(ssm) + opened["b"].tensor(ssm)) / 2
    written = open_checkpoint(Source(str(tmp_path / "out"))).tensor(ssm)
    assert torch.allclose(written, mean, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(
            *(model.eval()(torch.arange(12)[None]).logits for model in (live, loaded))
        )
    assert not examine(sources["base"], models)

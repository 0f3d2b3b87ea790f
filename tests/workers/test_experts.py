"""Mixtures of experts, live: transformers fuses them, and every part is merged in place."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from tests.workers.makers import EXPERTS, SHAPE, make_model
from workers.checkpoint import load_model, open_checkpoint
from workers.doctor import examine
from workers.merge import merge
from workers.merging import Engine, MergeSettings
from workers.recipe import Group, Recipe, Source, module_of

RECIPES = {
    "linear": {"weight": {"a": 0.3, "b": 0.7}},
    "ties": {"weight": {"a": 0.6, "b": 0.5}, "density": {"a": 0.5, "b": 0.7}},
}
NAMES = ("base", "a", "b")


@pytest.fixture(scope="module", params=EXPERTS)
def sources(request, tmp_path_factory) -> dict[str, Source]:
    """A base and two models of one architecture."""
    root = tmp_path_factory.mktemp(request.param)
    return {
        name: Source(str(make_model(root / name, request.param, seed, dtype=torch.bfloat16)))
        for seed, name in enumerate(NAMES)
    }


def recipe_of(method: str, sources: dict[str, Source]) -> Recipe:
    """Other parameters for the routers and for the experts than for the rest."""
    experts, router, rest = (
        {name: {m: v * factor for m, v in each.items()} for name, each in RECIPES[method].items()}
        for factor in (1.0, 0.8, 0.9)
    )
    models = {name: source for name, source in sources.items() if name != "base"}
    groups = (
        Group(experts, modules=("experts",)),
        Group(router, modules=("router",)),
        Group(rest),
    )
    return Recipe(method, models, groups, base=sources["base"])


def engine_of(sources: dict[str, Source]) -> Engine:
    opened = {name: open_checkpoint(source) for name, source in sources.items()}
    base = opened.pop("base")
    return Engine(opened, base, settings=MergeSettings(mode="eager"))


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(24).view(2, 12)).logits


def without(folder: Path, copy: Path, part: str) -> Path:
    """A copy of a model without the tensors whose name has this part."""
    shutil.copytree(folder, copy)
    tensors = load_file(copy / "model.safetensors")
    left = {name: tensor for name, tensor in tensors.items() if part not in name}
    assert len(left) < len(tensors)
    save_file(left, copy / "model.safetensors")
    return copy


@pytest.mark.parametrize("method", RECIPES)
def test_a_live_merge_is_the_file_merge_to_the_last_bit(method, sources, cache, tmp_path):
    recipe = recipe_of(method, sources)
    live = load_model(open_checkpoint(sources["base"]))
    before = {name: tensor.clone() for name, tensor in live.state_dict().items()}
    engine_of(sources).apply(recipe, live)
    merge(recipe, tmp_path / "out")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    expected = loaded.state_dict()
    for name, tensor in live.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
        assert not torch.equal(tensor, before[name]), name
    assert torch.equal(logits(live), logits(loaded))


def test_routed_experts_and_routers_are_classes_of_their_own(sources):
    tensors = open_checkpoint(sources["base"]).tensors
    live = AutoModelForCausalLM.from_pretrained(sources["base"].path)
    entries = {"experts": 0, "router": 0}
    for name, info in tensors.items():
        if module_of(name) in entries:
            entries[module_of(name)] += torch.Size(info.shape).numel()
    expected = {"experts": 0, "router": 0}
    for name, module in live.named_modules():
        own = [each for key, each in module.state_dict().items() if "." not in key]
        kind = "experts" if name.endswith(".experts") else None
        kind = "router" if name.endswith((".gate", ".router", ".shared_expert_gate")) else kind
        if kind:
            expected[kind] += sum(each.numel() for each in own)
    assert entries == expected
    assert all(entries.values())


def test_the_doctor_lets_them_be_searched(sources):
    models = {name: source for name, source in sources.items() if name != "base"}
    found = examine(sources["base"], models)
    # some keep a router's float32 bias beside weights of bfloat16
    assert all("e_score_correction_bias is float32" in str(each) for each in found)


def test_a_model_without_one_of_its_experts_is_refused_by_tensor(zoo, tmp_path):
    folders = [zoo("mixtral"), zoo("mixtral", 1)]
    broken = without(folders[1], tmp_path / "broken", "layers.1.block_sparse_moe.experts.3.")
    found = examine(Source(str(folders[0])), {"a": Source(str(broken))})
    assert [finding.level for finding in found] == ["error"]
    lacking = r"has no tensor model\.layers\.1\.block_sparse_moe\.experts\.3\.w\d\.weight and 2 oth"
    assert re.search(lacking, str(found[0]))
    with pytest.raises(ValueError, match=r"model 'a': has no model\.layers\.1\.\S+\.experts\.3\.w"):
        engine_of({"base": Source(str(folders[0])), "a": Source(str(broken))})


def test_a_live_expert_that_no_file_has_is_refused(zoo, cache, tmp_path):
    part = "layers.1.block_sparse_moe.experts.3."
    halves = {
        name: Source(str(without(zoo("mixtral", seed), tmp_path / name, part)))
        for seed, name in enumerate(("base", "a"))
    }
    live = load_model(open_checkpoint(Source(str(zoo("mixtral")))))
    recipe = Recipe("passthrough", {"a": halves["a"]}, base=halves["base"])
    with pytest.raises(ValueError, match=r"layers\.1\.mlp\.experts\.\w+ is not among .* in part"):
        engine_of(halves).apply(recipe, live)


def test_a_live_model_in_new_memory_is_merged_there(zoo, cache):
    sources = {name: Source(str(zoo("mixtral", i))) for i, name in enumerate(NAMES)}
    engine, live = engine_of(sources), load_model(open_checkpoint(sources["base"]))
    for name, dtype in (("a", torch.float32), ("b", torch.float64), ("a", torch.float64)):
        live.to(dtype)
        engine.apply(Recipe("passthrough", {name: sources[name]}, base=sources["base"]), live)
        expected = load_model(open_checkpoint(sources[name])).state_dict()
        found = live.state_dict()
        assert all(torch.equal(found[key].float(), each) for key, each in expected.items())


def test_tensors_that_are_joined_in_the_files_only_are_refused_by_name(cache, tmp_path):
    config = AutoConfig.for_model("hrm_text", **SHAPE)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    source = Source(str(tmp_path))
    errors = [each for each in examine(source, {}) if each.level == "error"]
    found = [each for each in errors if "tokenizer" not in str(each)]
    assert len(found) == 1
    assert re.search(r"gate_up_proj\.weight: the live hrm_text has no tensor with", str(found[0]))
    live = load_model(open_checkpoint(source))
    with pytest.raises(ValueError, match=r"\.weight: the live hrm_text has no tensor with"):
        engine_of({"base": source}).apply(Recipe("passthrough", {"base": source}), live)

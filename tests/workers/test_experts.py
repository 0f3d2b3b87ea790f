"""Mixtures of experts: their classes of modules, and those that cannot be merged live."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from tests.workers.makers import EXPERTS, SHAPE
from workers.checkpoint import load_model, open_checkpoint
from workers.doctor import examine
from workers.merging import Engine, MergeSettings
from workers.recipe import Recipe, Source, module_of

NAMES = ("base", "a", "b")


def engine_of(sources: dict[str, Source]) -> Engine:
    opened = {name: open_checkpoint(source) for name, source in sources.items()}
    base = opened.pop("base")
    return Engine(opened, base, settings=MergeSettings(mode="eager"))


def without(folder: Path, copy: Path, part: str) -> Path:
    """A copy of a model without the tensors whose name has this part."""
    shutil.copytree(folder, copy)
    tensors = load_file(copy / "model.safetensors")
    left = {name: tensor for name, tensor in tensors.items() if part not in name}
    assert len(left) < len(tensors)
    save_file(left, copy / "model.safetensors")
    return copy


@pytest.mark.parametrize("architecture", EXPERTS)
def test_routed_experts_and_routers_are_classes_of_their_own(architecture, zoo):
    tensors = open_checkpoint(Source(str(zoo(architecture)))).tensors
    live = AutoModelForCausalLM.from_pretrained(zoo(architecture))
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

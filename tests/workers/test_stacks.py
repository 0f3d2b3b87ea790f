"""Layers that are moved, repeated or left out: read, merged, exported and loaded as by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from tests.workers.makers import make_adapter
from workers import mergekit
from workers.checkpoint import load_model, open_checkpoint
from workers.merge import merge
from workers.mergekit.writer import MARK
from workers.merging import Engine, MergeSettings
from workers.recipe import Group, Recipe, Source, layer_of, with_layer
from workers.recipe_file import read_recipe

pytestmark = pytest.mark.usefixtures("cache")
ORDER = [0, 1, 1, 2]
LAYERS = ((0, 2), (1, 3))
THREE = {"num_hidden_layers": 3}
KINDS = {
    "llama": THREE,
    "gemma2": {**THREE, "sliding_window": 4},  # every second layer sees 4 tokens
    "gpt2": {"n_layer": 3},
}


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(24).view(2, 12)).logits


def load(folder: Path) -> torch.nn.Module:
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return model


def by_hand(folder: Path) -> torch.nn.Module:
    """The model with layers 0, 1, 1, 2: its config and its tensors changed one by one."""
    config = AutoConfig.from_pretrained(folder)
    types = getattr(config, "layer_types", None)
    config.num_hidden_layers = len(ORDER)
    if types:
        config.layer_types = [types[layer] for layer in ORDER]
    model = AutoModelForCausalLM.from_config(config)
    stored = load_file(folder / "model.safetensors")
    state = {n: t for n, t in stored.items() if layer_of(n) is None}
    for at, layer in enumerate(ORDER):
        state |= {with_layer(n, at): t for n, t in stored.items() if layer_of(n) == layer}
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    return model.eval()


def passthrough(*slices: tuple[Path, list[int]], parameters=None) -> str:
    return yaml.safe_dump(
        {
            "merge_method": "passthrough",
            "slices": [
                {"sources": [{"model": str(m), "layer_range": r} | (parameters or {})]}
                for m, r in slices
            ],
        }
    )


@pytest.mark.parametrize("architecture", KINDS)
def test_a_stack_is_the_model_assembled_by_hand(architecture, zoo, tmp_path):
    model = zoo(architecture, **KINDS[architecture])
    (tmp_path / "stack.yml").write_text(passthrough((model, [0, 2]), (model, [1, 3])))
    recipe = read_recipe(tmp_path / "stack.yml")
    assert [source.layers for source in recipe.models.values()] == [LAYERS]
    merge(recipe, tmp_path / "out")
    expected = logits(by_hand(model))
    assert torch.equal(logits(load(tmp_path / "out")), expected)
    live = load_model(open_checkpoint(*recipe.models.values()))
    assert torch.equal(logits(live), expected)


def test_layers_of_two_models_of_different_depth_are_stacked(zoo, tmp_path):
    a, b = zoo(**THREE), zoo(seed=1)  # b has two layers
    text = passthrough((a, [0, 3]), (b, [0, 2]))
    merge(mergekit.read(text, "x.yml"), tmp_path / "out")
    load(tmp_path / "out")
    merged, first, second = (open_checkpoint(Source(str(f))) for f in (tmp_path / "out", a, b))
    assert merged.n_layers == 5
    for name in merged.tensors:
        layer = layer_of(name)
        if layer is None:  # norm and head are those of the last slice
            source, stored = (first if "embed" in name else second), name
        else:
            source = first if layer < 3 else second
            stored = with_layer(name, layer if layer < 3 else layer - 3)
        assert torch.equal(merged.tensor(name), source.tensor(stored)), name


def test_any_method_merges_stacks_live_as_in_a_file(zoo, tmp_path):
    base, a, b = (Source(str(zoo(seed=seed, **THREE)), layers=LAYERS) for seed in range(3))
    weights = Group({"weight": {"a": 0.7, "b": 0.4}, "density": 0.6})
    recipe = Recipe("ties", {"a": a, "b": b}, (weights,), base)
    merge(recipe, tmp_path / "out")
    opened = {name: open_checkpoint(source) for name, source in recipe.sources.items()}
    live = load_model(opened["base"])
    Engine(
        {name: opened[name] for name in "ab"}, opened["base"], settings=MergeSettings(mode="eager")
    ).apply(recipe, live)
    assert torch.equal(logits(load(tmp_path / "out")), logits(live))
    assert opened["a"].fingerprint != open_checkpoint(Source(a.path)).fingerprint


def test_a_repeated_layer_that_adds_nothing_keeps_the_model(zoo, tmp_path):
    """Block expansion (LLaMA Pro): the copies' last projections are 0."""
    model, zero = zoo(**THREE), {"scale": [{"filter": "o_proj", "value": 0}]}
    zero["scale"] += [{"filter": "down_proj", "value": 0}, {"value": 1}]
    content = yaml.safe_load(passthrough((model, [0, 3]), (model, [1, 3]), (model, [2, 3])))
    content["slices"][1]["sources"][0]["parameters"] = zero
    content["slices"][2]["sources"][0]["parameters"] = zero
    merge(mergekit.read(yaml.safe_dump(content), "x.yml"), tmp_path / "out")
    torch.testing.assert_close(logits(load(tmp_path / "out")), logits(load(model)))


def test_a_stack_is_written_for_mergekit_and_read_back(zoo):
    a, b = zoo(**THREE), zoo(seed=1, **THREE)
    recipe = mergekit.read(passthrough((a, [0, 2]), (b, [0, 3]), (a, [1, 2])), "x.yml")
    text = mergekit.write(recipe)
    assert mergekit.read(text, "x.yml").digest == recipe.digest
    body = mergekit.read(text.split(MARK)[0], "x.yml")
    assert body.models == recipe.models
    for tensor in open_checkpoint(next(iter(recipe.models.values()))).tensors:
        assert body.parameters(tensor, 6)["weight"] == recipe.parameters(tensor, 6)["weight"]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (
            ([0, 2], [1, 4]),
            r"line 12: layer_range: \[1, 4\] ends after the last .* has 3; end at 3",
        ),
        (([2, 2],), r"layer_range: expected \[first, one after the last\], got \[2, 2\]"),
    ],
)
def test_layers_that_do_not_exist_are_refused_with_their_line(ranges, expected, zoo):
    model = zoo(**THREE)
    with pytest.raises(ValueError, match=expected):
        mergekit.read(passthrough(*((model, each) for each in ranges)), "x.yml")


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([[0, 2], [1, 4]], r"config\.json: there are 3 layers, so layers \[1, 4\] do not exist"),
        ([[2, 1]], r"layers \[\[2, 1\]\] are not a stack; write at least one range"),
        ([], r"layers \[\] are not a stack"),
        ([0, 2], r"layers: expected ranges \[\[first, one after the last\], ...\], got \[0, 2\]"),
    ],
)
def test_layers_of_a_recipe_that_do_not_exist_are_refused(layers, expected, zoo, tmp_path):
    path = {"path": str(zoo(**THREE)), "layers": layers}
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"method": "passthrough", "models": {"a": path}}))
    with pytest.raises(ValueError, match=expected):
        merge(read_recipe(file), tmp_path / "out")


def test_models_that_are_stacked_to_different_depths_are_refused(zoo, tmp_path):
    a = Source(str(zoo(**THREE)), layers=LAYERS)
    recipe = Recipe(
        "linear", {"a": a, "b": Source(str(zoo(seed=1, **THREE)))}, (Group({"weight": 1}),)
    )
    with pytest.raises(ValueError, match="num_hidden_layers is 3, a has 4"):
        merge(recipe, tmp_path / "out")


def test_a_stack_keeps_what_is_known_of_its_model(zoo, tmp_path):
    adapter = make_adapter(tmp_path / "adapter", zoo("llama", **THREE))
    whole = open_checkpoint(Source(str(zoo("llama", **THREE)), adapter=str(adapter)))
    stack = open_checkpoint(Source(str(zoo("llama", **THREE)), adapter=str(adapter), layers=LAYERS))
    assert stack.adapter == whole.adapter
    assert stack.tokenizer_path == whole.tokenizer_path
    assert stack.fingerprint != whole.fingerprint

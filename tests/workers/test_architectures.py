"""Models of every architecture are examined, merged live as in files, and exported."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.workers.makers import TESTED, findings_but_tokenizers, make_model
from workers.checkpoint import load_model, open_checkpoint
from workers.merge import merge
from workers.merging import Engine, MergeSettings
from workers.recipe import Group, Recipe, Source

GROUPS = (  # other parameters for each kind of module
    Group({"weight": {"a": 0.6, "b": 0.5}, "density": 0.7}, modules=("experts",)),
    Group({"weight": {"a": 0.4, "b": 0.9}, "density": 0.5}, modules=("router",)),
    Group({"weight": 0.6, "density": 0.6, "lambda": 0.8}, (0, 1), ("mlp", "norm")),
    Group({"weight": {"a": 0.7, "b": 0.4}, "density": {"a": 0.5, "b": 0.7}}),
)


@pytest.fixture(scope="module", params=TESTED)
def sources(request, tmp_path_factory) -> dict[str, Source]:
    """A base and two models of one architecture."""
    root = tmp_path_factory.mktemp(request.param)
    return {
        name: Source(str(make_model(root / name, request.param, seed, dtype=torch.bfloat16)))
        for seed, name in enumerate(("base", "a", "b"))
    }


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(24).view(2, 12)).logits


def test_the_doctor_lets_it_be_searched(sources):
    found = findings_but_tokenizers(sources["base"], {name: sources[name] for name in "ab"})
    # some keep a router's float32 bias beside weights of bfloat16
    assert all("e_score_correction_bias is float32" in str(each) for each in found)


def test_it_is_merged_live_as_in_files_and_leaves_as_it_was_scored(sources, cache, tmp_path):
    opened = {name: open_checkpoint(source) for name, source in sources.items()}
    models = {name: sources[name] for name in "ab"}
    base = opened.pop("base")
    live, engine = load_model(base), Engine(opened, base, settings=MergeSettings(mode="eager"))

    engine.apply(Recipe("passthrough", {"a": models["a"]}, base=sources["base"]), live)
    whole = load_model(opened["a"]).state_dict()
    for name, tensor in live.state_dict().items():
        assert torch.equal(tensor.bfloat16(), whole[name].bfloat16()), name

    recipe = Recipe("ties", models, GROUPS, sources["base"])
    engine.apply(recipe, live)
    merge(recipe, tmp_path / "out")
    loaded, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert loaded.dtype == torch.bfloat16
    expected = loaded.state_dict()
    for name, tensor in live.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
        assert not torch.equal(tensor, whole[name]), name
    assert torch.equal(logits(live), logits(loaded))

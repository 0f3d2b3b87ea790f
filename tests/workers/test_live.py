"""Live models: which tensor of theirs a merged one goes to."""

from __future__ import annotations

import accelerate
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tests.workers.makers import SHAPE
from workers.checkpoint import load_model, open_checkpoint
from workers.merging import Engine, MergeSettings
from workers.recipe import Recipe, Source


@pytest.fixture
def saved(tmp_path):
    """A base and a model of an architecture, saved as transformers saves them."""

    def save(architecture: str, shape: dict):
        for i, name in enumerate(("base", "model")):
            torch.manual_seed(i)
            config = AutoConfig.for_model(architecture, **shape)
            AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / name)
        return [open_checkpoint(Source(str(tmp_path / name))) for name in ("base", "model")]

    return save


def applied(base, model, live, tmp_path):
    settings = MergeSettings(mode="eager", cache=tmp_path / "cache")
    recipe = Recipe("passthrough", {"model": Source(str(model.path))})
    return Engine({"model": model}, base, settings=settings).apply(recipe, live)


def test_a_live_model_that_accelerate_laid_out_becomes_the_one_that_was_merged(saved, tmp_path):
    base, model = saved("llama", SHAPE)
    live = accelerate.dispatch_model(load_model(base), {"": "cpu"}, force_hooks=True)
    applied(base, model, live, tmp_path)
    ids = torch.arange(6)[None]
    with torch.no_grad():
        assert torch.equal(live(ids).logits, load_model(model)(ids).logits)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_live_model_over_two_gpus_becomes_the_one_that_was_merged(saved, tmp_path):
    base, model = saved("llama", SHAPE)
    live = load_model(base, spread=True)
    assert len({tensor.device for tensor in live.parameters()}) == 2
    settings = MergeSettings(mode="eager", cache=tmp_path / "cache")
    recipe = Recipe("passthrough", {"model": Source(str(model.path))})
    Engine({"model": model}, base, settings=settings, device="cuda").apply(recipe, live)
    ids = torch.arange(6)[None].cuda()
    with torch.no_grad():
        torch.testing.assert_close(live(ids).logits.cpu(), load_model(model)(ids.cpu()).logits)


def test_a_live_model_of_another_shape_is_refused_by_tensor(saved, tmp_path):
    base, model = saved("llama", SHAPE)
    other = AutoModelForCausalLM.from_config(
        AutoConfig.for_model("llama", **{**SHAPE, "intermediate_size": 20})
    )
    with pytest.raises(ValueError, match=r"mlp\.\w+_proj\.weight is \(\d+, \d+\) live, but"):
        applied(base, model, other, tmp_path)


def test_a_live_model_with_a_parameter_too_many_is_refused(saved, tmp_path):
    base, model = saved("llama", SHAPE)
    other = AutoModelForCausalLM.from_config(
        AutoConfig.for_model("llama", **{**SHAPE, "num_hidden_layers": 3})
    )
    with pytest.raises(ValueError, match=r"layers\.2\.\S+ is not among the merged tensors"):
        applied(base, model, other, tmp_path)

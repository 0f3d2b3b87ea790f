"""Models are read by their headers, whatever made them, from a folder or the hub's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.workers.makers import ARCHITECTURES
from workers.checkpoint import load_model, open_checkpoint, open_headers
from workers.recipe import Source


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tensors_are_those_that_transformers_loads(architecture, zoo):
    folder = zoo(architecture)
    checkpoint = open_checkpoint(Source(str(folder)))
    live = dict(AutoModelForCausalLM.from_pretrained(folder).named_parameters())
    assert checkpoint.tensors.keys() == live.keys()
    for name, info in checkpoint.tensors.items():
        assert info.shape == tuple(live[name].shape)
        assert torch.equal(checkpoint.tensor(name), live[name])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_and_ties_are_read_from_the_config(architecture, zoo):
    checkpoint = open_checkpoint(Source(str(zoo(architecture))))
    assert checkpoint.n_layers == 2
    assert checkpoint.tied == (not any("lm_head" in name for name in checkpoint.tensors))


def test_shards_read_as_one_file_does(zoo, tmp_path):
    whole = open_checkpoint(Source(str(zoo())))
    AutoModelForCausalLM.from_pretrained(whole.path).save_pretrained(tmp_path, max_shard_size="4KB")
    sharded = open_checkpoint(Source(str(tmp_path)))
    assert len({info.file for info in sharded.tensors.values()}) > 1
    assert sharded.tensors.keys() == whole.tensors.keys()
    assert all(torch.equal(sharded.tensor(n), whole.tensor(n)) for n in whole.tensors)


def test_files_of_old_gpt2_are_read_without_their_mask_buffers(zoo, tmp_path):
    shutil.copytree(zoo("gpt2"), tmp_path, dirs_exist_ok=True)
    file = tmp_path / "model.safetensors"
    tensors = {k.removeprefix("transformer."): v for k, v in load_file(file).items()}
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 64, 64, dtype=torch.uint8)
    tensors["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, file)
    checkpoint = open_checkpoint(Source(str(tmp_path)))
    assert not any(".attn.bias" in n or "masked" in n for n in checkpoint.tensors)
    assert "h.0.attn.c_attn.bias" in checkpoint.tensors
    assert load_model(checkpoint).transformer.h[0].attn.c_attn.bias.shape == (48,)


@pytest.fixture
def hub(zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model in the hub's cache, as a download leaves it, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repo = tmp_path / "models--org--model"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "v1").write_text("a" * 40)
    (repo / "refs" / "main").write_text("a" * 40)
    shutil.copytree(zoo(), repo / "snapshots" / ("a" * 40))
    return "org/model"


@pytest.mark.parametrize("reader", [open_checkpoint, open_headers])
@pytest.mark.parametrize("revision", [None, "v1", "a" * 40])
def test_a_hub_model_is_read_from_the_cache_when_offline(reader, revision, hub, zoo):
    found = reader(Source(hub, revision))
    assert found.fingerprint == open_checkpoint(Source(str(zoo()))).fingerprint


@pytest.mark.parametrize("reader", [open_checkpoint, open_headers])
def test_a_hub_model_that_cannot_be_had_is_named_with_its_revision(reader, hub):
    with pytest.raises(
        ValueError, match=r"org/model@v2: not a local directory, and not available from the hub"
    ):
        reader(Source(hub, "v2"))


def test_the_fingerprint_is_that_of_the_content(zoo, tmp_path):
    shutil.copytree(zoo(), tmp_path, dirs_exist_ok=True)
    moved = open_checkpoint(Source(str(tmp_path)))
    assert moved.fingerprint == open_checkpoint(Source(str(zoo()))).fingerprint
    assert moved.fingerprint != open_checkpoint(Source(str(zoo(seed=1)))).fingerprint


@pytest.mark.parametrize(
    ("stored", "ruling"),
    [
        (("float32", "bfloat16", "bfloat16"), "bfloat16"),
        (("bfloat16", "float32"), "float32"),
        (("float16", "bfloat16"), "bfloat16"),
    ],
)
def test_the_dtype_is_that_of_most_tensors_in_every_process(stored, ruling, checkpoint_of):
    tensors = {f"w{i}": torch.ones(2, dtype=getattr(torch, each)) for i, each in enumerate(stored)}
    path = checkpoint_of("model", tensors).path
    code = (
        "import sys; from workers.checkpoint import open_checkpoint; "
        "from workers.recipe import Source; print(open_checkpoint(Source(sys.argv[1])).dtype)"
    )
    command = [sys.executable, "-c", code, str(path)]
    for seed in "02":  # of the order of sets
        env = {**os.environ, "PYTHONHASHSEED": seed}
        found = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        assert found.stdout.strip() == ruling

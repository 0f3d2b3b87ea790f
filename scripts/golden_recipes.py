"""Makes the golden outputs that recipe import is tested against. Runs in mergekit's environment.

    MERGEKIT/bin/python scripts/golden_recipes.py tests/workers/golden

Writes small real Llamas and, for every recipe in FOLDER/recipes, the tensors that mergekit merges.
The recipes name the models by paths relative to FOLDER/models.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

SHAPE = {
    "vocab_size": 12,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 32,
}


def make_models(folder: Path) -> None:
    """A base, and three models that are near it."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(LlamaConfig(**SHAPE)).state_dict()
    for name in ("base", "a", "b", "c"):
        model = LlamaForCausalLM(LlamaConfig(**SHAPE))
        moved = 0.0 if name == "base" else 0.02
        model.load_state_dict({k: v + moved * torch.randn(v.shape) for k, v in base.items()})
        shutil.rmtree(folder / name, ignore_errors=True)
        model.save_pretrained(folder / name)


def merged(recipe: Path) -> dict[str, torch.Tensor]:
    """What mergekit makes of a recipe."""
    config = MergeConfiguration.model_validate(yaml.safe_load(recipe.read_text()))
    with tempfile.TemporaryDirectory() as out:
        run_merge(
            config, out, MergeOptions(copy_tokenizer=False, write_model_card=False, random_seed=0)
        )
        return load_file(Path(out) / "model.safetensors")


def main() -> None:
    """Makes models and outputs anew."""
    folder = Path(sys.argv[1]).resolve()
    recipes = sorted((folder / "recipes").glob("*.yml"))
    (folder / "models").mkdir(exist_ok=True)
    os.chdir(folder / "models")
    make_models(Path())
    found = {}
    for recipe in recipes:
        found |= {f"{recipe.stem}/{name}": t for name, t in merged(recipe).items()}
        print(recipe.stem)
    save_file(found, folder / "merged.safetensors", metadata={"mergekit": version("mergekit")})


if __name__ == "__main__":
    main()

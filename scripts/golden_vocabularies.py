"""Makes the golden outputs of merges of vocabularies. Runs in mergekit's environment.

    MERGEKIT/bin/python scripts/golden_vocabularies.py tests/workers/golden/vocabularies

Writes small real Llamas with different added tokens, and for every recipe in FOLDER/recipes the
embedding and the head that mergekit merges, with the ids of the tokens. The recipes name the models
by paths relative to FOLDER/models.
"""

from __future__ import annotations

import json
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
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = ["<s>", "</s>", *(f"w{i}" for i in range(8))]
ADDED = {
    "base": [],
    "chat": ["<|im_start|>", "<|im_end|>"],
    "tool": ["<tool>", "<|im_end|>"],
    "plain": [],
}
SHAPE = {
    "hidden_size": 4,
    "intermediate_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "max_position_embeddings": 16,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def make_models(folder: Path) -> None:
    """A base with ten tokens, two models with two more, and one with another order of the ten."""
    torch.manual_seed(0)
    for name, added in ADDED.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        words = [*WORDS[:2], *reversed(WORDS[2:])] if name == "plain" else WORDS
        config = LlamaConfig(vocab_size=len(words) + len(added), **SHAPE)
        LlamaForCausalLM(config).save_pretrained(folder / name)
        core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<s>"))
        core.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<s>"
        )
        tokenizer.add_tokens(added, special_tokens=True)
        tokenizer.save_pretrained(folder / name)


def merged(recipe: Path) -> tuple[dict[str, torch.Tensor], dict[str, int]]:
    """The vocabulary tensors that mergekit makes of a recipe, and the ids of the tokens."""
    config = MergeConfiguration.model_validate(yaml.safe_load(recipe.read_text()))
    with tempfile.TemporaryDirectory() as out:
        run_merge(config, out, MergeOptions(write_model_card=False))
        tensors = load_file(Path(out) / "model.safetensors")
        ids = AutoTokenizer.from_pretrained(out).get_vocab()
    return {name: t for name, t in tensors.items() if "embed" in name or "head" in name}, ids


def main() -> None:
    """Makes models and outputs anew."""
    folder = Path(sys.argv[1]).resolve()
    (folder / "models").mkdir(exist_ok=True)
    os.chdir(folder / "models")
    make_models(Path())
    found, ids = {}, {}
    for recipe in sorted((folder / "recipes").glob("*.yml")):
        tensors, ids[recipe.stem] = merged(recipe)
        found |= {f"{recipe.stem}/{name}": tensor for name, tensor in tensors.items()}
        print(recipe.stem)
    about = {"mergekit": version("mergekit"), "ids": json.dumps(ids)}
    save_file(found, folder / "merged.safetensors", metadata=about)


if __name__ == "__main__":
    main()

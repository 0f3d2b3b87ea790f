"""A checkpoint as a live transformers model and tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers

from workers.checkpoint.checkpoint import Checkpoint
from workers.checkpoint.vocabulary import SPECIAL_IDS
from workers.checkpoint.writer import GENERATION_CONFIG


def load_model(checkpoint: Checkpoint, *, device: str = "cpu", spread: bool = False) -> Any:
    """The model as transformers loads it, in evaluation mode, in the dtype of its tensors.

    Args:
        checkpoint: what to load.
        device: where the whole model is placed.
        spread: place it on all GPUs of this process instead, by accelerate's device map.

    Raises:
        ValueError: if a tensor is missing, unexpected or of another shape; transformers would
            only log it and use random numbers.
    """
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint.path,
        dtype=checkpoint.dtype,
        device_map="balanced" if spread else None,
        output_loading_info=True,
    )
    unexpected = set(map(str, report["unexpected_keys"])) & checkpoint.tensors.keys()
    names = {
        "missing": set(map(str, report["missing_keys"])),
        "unexpected": unexpected,
        "of another shape": set(map(str, report["mismatched_keys"])),
    }
    if errors := {kind: sorted(each) for kind, each in names.items() if each}:
        raise ValueError(f"{checkpoint.path}: its tensors do not fit its config: {errors}")
    if checkpoint.adapter:
        _copy(checkpoint, checkpoint.adapter.changes, model)
    if checkpoint.changes:
        resize(model, checkpoint.vocabulary_rows)
        _copy(checkpoint, checkpoint.changes, model)
    if checkpoint.generation_path != checkpoint.path:
        _use_settings_of(checkpoint.generation_path, checkpoint, model)
    return model.eval() if spread else model.eval().to(device)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer of the model."""
    return transformers.AutoTokenizer.from_pretrained(checkpoint.tokenizer_path)


def live_name(model: Any, tensor: str) -> str:
    """The live model's name of a checkpoint tensor; old files omit the model's prefix."""
    known = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return tensor if tensor in known else f"{model.base_model_prefix}.{tensor}"


def resize(model: Any, rows: int | None) -> None:
    """Gives the vocabulary of a live model this number of rows; new rows are random."""
    if rows not in (None, len(model.get_input_embeddings().weight)):
        model.resize_token_embeddings(rows, mean_resizing=False)


def _use_settings_of(folder: Path, checkpoint: Checkpoint, model: Any) -> None:
    """Takes over the special tokens and generation settings that an export would have."""
    for key in SPECIAL_IDS:
        setattr(model.config, key, checkpoint.config.get(key))
    if (folder / GENERATION_CONFIG).is_file():
        model.generation_config = transformers.GenerationConfig.from_pretrained(folder)
    else:
        model.generation_config = transformers.GenerationConfig.from_model_config(model.config)


@torch.no_grad()
def _copy(checkpoint: Checkpoint, names: Iterable[str], model: Any) -> None:
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name in names:
        parameters[live_name(model, name)].copy_(checkpoint.tensor(name))

"""A checkpoint as a live transformers model and tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

from workers.checkpoint.checkpoint import Checkpoint, DerivedCheckpoint, read_tensor
from workers.checkpoint.live.file_names import FileNames
from workers.checkpoint.parts import auto_class, language_config
from workers.checkpoint.quiet import quiet
from workers.checkpoint.stacked_checkpoint import StackedCheckpoint
from workers.checkpoint.transformers_config import transformers_config
from workers.checkpoint.vocabulary import SPECIAL_IDS
from workers.checkpoint.writer import GENERATION_CONFIG


def load_model(checkpoint: Checkpoint, *, device: str = "cpu", spread: bool = False) -> Any:
    """The model as transformers loads it, in evaluation mode, in the dtype of its tensors.

    If the checkpoint has a separate head and its files tie it, the live head is a copy.

    Args:
        checkpoint: what to load.
        device: where the whole model is placed.
        spread: place it on all GPUs of this process instead, by accelerate's device map.

    Raises:
        ValueError: if a tensor is missing, unexpected or of another shape; transformers would
            only log it and use random numbers.
    """
    config = transformers_config(checkpoint)
    kind = auto_class(config)
    given: dict[str, Any] = {}
    if _is_stacked(checkpoint):  # no directory has these tensors
        kind = kind._model_mapping[type(config)]
        tensors = {name: checkpoint.tensor(name) for name in checkpoint.tensors}
        tensors |= {name: read_tensor(info.file, name) for name, info in checkpoint.towers.items()}
        given = {"config": config, "state_dict": tensors}
    with quiet():
        model, report = kind.from_pretrained(
            None if given else checkpoint.path,
            dtype=checkpoint.dtype,
            device_map="balanced" if spread else None,
            output_loading_info=True,
            **given,
        )
    unexpected = set(map(str, report["unexpected_keys"])) & checkpoint.tensors.keys()
    names = {
        "missing": set(map(str, report["missing_keys"])),
        "unexpected": unexpected,
        "of another shape": set(map(str, report["mismatched_keys"])),
    }
    if errors := {kind: sorted(each) for kind, each in names.items() if each}:
        raise ValueError(f"{checkpoint.path}: its tensors do not fit its config: {errors}")
    resize(model, checkpoint.vocabulary_rows)
    if not checkpoint.tied and _is_tied(model):
        separate_head(model, model.get_output_embeddings())
    _copy(checkpoint, checkpoint.changes, model)
    if checkpoint.generation_path != checkpoint.path:
        _use_settings_of(checkpoint.generation_path, checkpoint, model)
    return model.eval() if spread else model.eval().to(device)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer of the model: its own, an adapter's with added tokens, or a merged one."""
    # without a value, transformers asks at the terminal whether to run a tokenizer's own code
    path = checkpoint.tokenizer_path
    return transformers.AutoTokenizer.from_pretrained(path, trust_remote_code=False)


def encoded_by_file(checkpoint: Checkpoint, text: str) -> list[int] | None:
    """The tokens of a text by the rules in `tokenizer.json` alone; None without this file."""
    file = checkpoint.tokenizer_path / "tokenizer.json"
    if not file.is_file():
        return None
    return list(
        tokenizers.Tokenizer.from_file(str(file)).encode(text, add_special_tokens=False).ids
    )


def live_parameters(model: Any, tensors: Iterable[str]) -> dict[str, str]:
    """Checkpoint tensor -> the live model's name of it."""
    names = FileNames(model)
    return {tensor: names.live_name(tensor) or tensor for tensor in tensors}


def _is_stacked(checkpoint: Checkpoint) -> bool:
    return isinstance(checkpoint, StackedCheckpoint) or (
        isinstance(checkpoint, DerivedCheckpoint) and _is_stacked(checkpoint.original)
    )


def resize(model: Any, rows: int | None) -> None:
    """Gives the vocabulary of a live model this number of rows; new rows are random."""
    if rows not in (None, len(model.get_input_embeddings().weight)):
        with quiet():
            model.resize_token_embeddings(rows, mean_resizing=False)


def separate_head(model: Any, head: Any) -> None:
    """Gives the head of a tied live model a weight of its own, equal to the embedding."""
    head.weight = torch.nn.Parameter(head.weight.detach().clone())
    model.config.get_text_config().tie_word_embeddings = False  # lm-eval calls tie_weights()
    model.config.tie_word_embeddings = False
    model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)


def _is_tied(model: Any) -> bool:
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight


def _use_settings_of(folder: Path, checkpoint: Checkpoint, model: Any) -> None:
    """Takes over the special tokens and generation settings that an export would have."""
    settings = {**language_config(checkpoint.config), **checkpoint.config}
    for key in SPECIAL_IDS:
        for config in (model.config, model.config.get_text_config()):
            setattr(config, key, settings.get(key))
    if (folder / GENERATION_CONFIG).is_file():
        model.generation_config = transformers.GenerationConfig.from_pretrained(folder)
    else:
        model.generation_config = transformers.GenerationConfig.from_model_config(model.config)


@torch.no_grad()
def _copy(checkpoint: Checkpoint, names: Iterable[str], model: Any) -> None:
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, live in live_parameters(model, names).items():
        parameters[live].copy_(checkpoint.tensor(name))

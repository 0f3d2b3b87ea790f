"""A checkpoint as a live transformers model and tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers

if TYPE_CHECKING:
    from workers.checkpoint.reading import Checkpoint


def load_model(checkpoint: Checkpoint, *, device: str = "cpu", spread: bool = False) -> Any:
    """The model as transformers loads it, in evaluation mode, in the dtype of its tensors.

    Args:
        checkpoint: what to load.
        device: where all of it lies.
        spread: lay it over all GPUs of this process instead, by accelerate's device map.

    Raises:
        ValueError: if a tensor is missing, left over or of another shape; transformers would
            fill the gap with random numbers and only log it.
    """
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint.path,
        dtype=checkpoint.dtype,
        device_map="balanced" if spread else None,
        output_loading_info=True,
    )
    left_over = set(map(str, report["unexpected_keys"])) & checkpoint.tensors.keys()
    found = {
        "missing": set(map(str, report["missing_keys"])),
        "left over": left_over,
        "of another shape": set(map(str, report["mismatched_keys"])),
    }
    if faults := {kind: sorted(names) for kind, names in found.items() if names}:
        raise ValueError(f"{checkpoint.path}: its tensors do not fit its config: {faults}")
    if checkpoint.adapter:
        _copy(checkpoint, list(checkpoint.adapter.changes), model)
    return model.eval() if spread else model.eval().to(device)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer that lies beside the weights."""
    return transformers.AutoTokenizer.from_pretrained(checkpoint.path)


def live_name(model: Any, tensor: str) -> str:
    """The live model's name of a checkpoint tensor: old files leave out the model's prefix."""
    known = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return tensor if tensor in known else f"{model.base_model_prefix}.{tensor}"


def adapted_tensors(
    checkpoint: Checkpoint, adapter: Path, names: Sequence[str]
) -> Iterator[tuple[str, torch.Tensor]]:
    """The named tensors of a model after peft has merged an adapter into it."""
    import peft  # noqa: PLC0415 - rare, and slow to import

    model = load_model(checkpoint)
    live = {name: live_name(model, name) for name in names}
    merged = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload(safe_merge=True)
    parameters = dict(merged.named_parameters(remove_duplicate=False))
    for name in names:
        yield name, parameters[live[name]].detach()


@torch.no_grad()
def _copy(checkpoint: Checkpoint, names: Sequence[str], model: Any) -> None:
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name in names:
        parameters[live_name(model, name)].copy_(checkpoint.tensor(name))

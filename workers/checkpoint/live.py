"""A checkpoint as a live transformers model and tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import transformers

if TYPE_CHECKING:
    from workers.checkpoint.reading import Checkpoint


def load_model(checkpoint: Checkpoint, *, device: str = "cpu") -> Any:
    """The model as transformers loads it, in evaluation mode, in the dtype of its tensors.

    Raises:
        ValueError: if a tensor is missing, left over or of another shape; transformers would
            fill the gap with random numbers and only log it.
    """
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint.path, dtype=checkpoint.dtype, output_loading_info=True
    )
    faults = {
        kind: sorted(map(str, report[kind]))
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if report[kind]
    }
    if faults:
        raise ValueError(f"{checkpoint.path}: its tensors do not fit its config: {faults}")
    return model.eval().to(device)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer that lies beside the weights."""
    return transformers.AutoTokenizer.from_pretrained(checkpoint.path)

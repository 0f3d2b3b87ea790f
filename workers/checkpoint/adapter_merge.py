"""Merges an adapter into a live model with peft."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import peft

from evaluators.wording import first_line
from workers.checkpoint.live import live_parameters, load_model, resize, separate_head
from workers.checkpoint.quiet import quiet

if TYPE_CHECKING:
    import torch

    from workers.checkpoint.adapted_checkpoint import AdaptedCheckpoint

_PEFT_ERRORS = (AttributeError, KeyError, RuntimeError, TypeError, ValueError)


def merged_by_peft(checkpoint: AdaptedCheckpoint) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors that the adapter changes, with the values that the live peft model uses.

    Raises:
        ValueError: if peft cannot apply the adapter.
    """
    model = load_model(checkpoint.original)
    resize(model, checkpoint.vocabulary_rows)
    head = model.get_output_embeddings()
    separate = checkpoint.original.tied and head is not None
    live = live_parameters(model, checkpoint.changes)
    with quiet():
        merged = _with_adapter(model, checkpoint)
        if separate:  # only now: until here, what changes one of them changes the other too
            separate_head(model, head)
        merged = merged.merge_and_unload(safe_merge=True)
    parameters = dict(merged.named_parameters(remove_duplicate=False))
    for name in checkpoint.changes:
        yield name, parameters[live[name]].detach()


def _with_adapter(model: Any, checkpoint: AdaptedCheckpoint) -> Any:
    path = checkpoint.adapter.path
    try:
        return peft.PeftModel.from_pretrained(model, path)
    except _PEFT_ERRORS as error:
        reason = first_line(error)
        raise ValueError(f"{path}: peft cannot apply it to {checkpoint.path}: {reason}") from error

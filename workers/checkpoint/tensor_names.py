"""A live model's tensors under the names of its checkpoint's files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

# Internal to transformers, though peft uses them too; nothing but this file hangs on them.
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import revert_weight_conversion

if TYPE_CHECKING:
    import torch


def by_checkpoint_name(model: Any, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """The live tensors with these checkpoint names; writing to them writes to the model.

    Most architectures use the same names in files and live, some only rename (gpt_neox), and old
    files leave out the model's prefix. Where transformers fuses several tensors into one
    parameter (experts), there is nothing of one tensor to write to.

    Raises:
        ValueError: if the live model has no such tensor, or only as part of a fused one.
    """
    live = {
        **dict(model.named_buffers()),
        **dict(model.named_parameters(remove_duplicate=False)),
    }
    if get_model_conversion_mapping(model, add_legacy=False):
        live |= _unfused(model, live)
    found = {}
    for name in names:
        with_prefix = f"{model.base_model_prefix}.{name}"
        if name not in live and with_prefix not in live:
            raise ValueError(f"the live {model.config.model_type} has no tensor {name}")
        found[name] = live[name if name in live else with_prefix].detach()
    return found


def _unfused(model: Any, live: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the checkpoint's names stand for, where the live tensor is not split to get it."""
    places = {tensor.untyped_storage().data_ptr() for tensor in live.values()}
    parameters = {name: tensor.detach() for name, tensor in model.named_parameters()}
    stored = revert_weight_conversion(model, parameters)
    copied = [n for n, t in stored.items() if t.untyped_storage().data_ptr() not in places]
    if copied:
        raise ValueError(
            f"{model.config.model_type}: {copied[0]} and {len(copied) - 1} more tensors are fused "
            "with others in the live model; merge such a model to a file and score that"
        )
    return dict(stored)

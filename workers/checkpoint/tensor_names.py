"""The tensors of a live model by the names that they have in checkpoint files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

# Internal to transformers (peft uses them too); meta_model.py needs the first one as well.
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import revert_weight_conversion

if TYPE_CHECKING:
    import torch


def by_checkpoint_name(model: Any, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """The live tensors with these checkpoint names; writing to them changes the model.

    Most architectures use the same names in files and in the live model, some rename them
    (gpt_neox), and old files omit the model's prefix. Tensors that transformers fuses into one
    parameter (experts) cannot be written to one by one.

    Raises:
        ValueError: if the live model does not have such a tensor, or only as part of a fused one.
    """
    live = {
        **dict(model.named_buffers()),
        **dict(model.named_parameters(remove_duplicate=False)),
    }
    if get_model_conversion_mapping(model, add_legacy=False):
        live |= _unfused(model, live)
    tensors = {}
    for name in names:
        with_prefix = f"{model.base_model_prefix}.{name}"
        if name not in live and with_prefix not in live:
            raise ValueError(f"the live {model.config.model_type} has no tensor {name}")
        tensors[name] = live[name if name in live else with_prefix].detach()
    return tensors


def _unfused(model: Any, live: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The live tensors by checkpoint name, if none has to be split or copied to get it."""
    storages = {tensor.untyped_storage().data_ptr() for tensor in live.values()}
    parameters = {name: tensor.detach() for name, tensor in model.named_parameters()}
    stored = revert_weight_conversion(model, parameters)
    copied = [n for n, t in stored.items() if t.untyped_storage().data_ptr() not in storages]
    if copied:
        raise ValueError(
            f"{model.config.model_type}: {copied[0]} and {len(copied) - 1} more tensors are fused "
            "with others in the live model; merge such a model to files and score those"
        )
    return dict(stored)

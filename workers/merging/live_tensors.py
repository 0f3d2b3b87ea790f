"""The tensors of a live transformers model into which merged ones are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from workers.checkpoint import by_checkpoint_name


def live_tensors(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The live tensors by checkpoint name; a tied one once, under its first name in `shapes`.

    Raises:
        ValueError: if the live model lacks a tensor, has it in another shape, or has a parameter
            that is not one of the tensors.
    """
    found = by_checkpoint_name(model, shapes)
    for name, tensor in found.items():
        if tuple(tensor.shape) != shapes[name]:
            raise ValueError(f"{name} is {tuple(tensor.shape)} live, but {shapes[name]} merged")
    firsts: dict[int, str] = {}
    for name, tensor in found.items():
        firsts.setdefault(tensor.data_ptr(), name)
    for name, parameter in model.named_parameters():
        if parameter.data_ptr() not in firsts:
            raise ValueError(f"the live model's {name} is not among the merged tensors")
    return {name: found[name] for name in firsts.values()}

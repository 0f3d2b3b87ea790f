"""A live transformers model as the tensors of its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def live_tensors(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The live tensors that a merged model's are written to, by checkpoint name.

    A tied tensor appears once, under the name that comes first in `shapes`.

    Raises:
        ValueError: if the live model lacks one of the tensors, or has it in another shape, or has
            a parameter that is not among them.
    """
    tensors = {
        **dict(model.named_buffers()),
        **dict(model.named_parameters(remove_duplicate=False)),
    }
    found: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if name not in tensors:
            raise ValueError(f"the live model has no tensor {name}")
        if tuple(tensors[name].shape) != shape:
            raise ValueError(f"{name} is {tuple(tensors[name].shape)} live, but {shape} merged")
        found[name] = tensors[name].detach()
    return _once(model, found)


def _once(model: Any, found: dict[str, Tensor]) -> dict[str, Tensor]:
    places = {tensor.data_ptr() for tensor in found.values()}
    for name, parameter in model.named_parameters():
        if parameter.data_ptr() not in places:
            raise ValueError(f"the live model's {name} is not among the merged tensors")
    firsts: dict[int, str] = {}
    for name, tensor in found.items():
        firsts.setdefault(tensor.data_ptr(), name)
    return {name: found[name] for name in firsts.values()}

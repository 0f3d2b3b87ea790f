"""The tensors of a live transformers model into which merged ones are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from torch import Tensor

from workers.checkpoint import by_checkpoint_name, tower_names


class LiveTensors:
    """Finds the tensors of a live model once, and again only for another model or device.

    Args:
        shapes: of the merged tensors, by checkpoint name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = shapes
        self._found: dict[str, Tensor] = {}
        self._addresses: list[int] = []

    def of(self, model: Any) -> dict[str, Tensor]:
        """The live tensors by checkpoint name, as `live_tensors`.

        Raises:
            ValueError: as `live_tensors`.
        """
        # The found views keep their memory from being freed, so equal addresses are equal tensors.
        addresses = [each.data_ptr() for each in chain(model.parameters(), model.buffers())]
        if addresses != self._addresses:
            self._found, self._addresses = live_tensors(model, self._shapes), addresses
        return self._found


def live_tensors(model: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The live tensors by checkpoint name; a tied one once, under its first name in `shapes`.

    Raises:
        ValueError: if the live model lacks a tensor, has it in another shape, or has a parameter
            of its language model that is not one of the tensors, or only in part.
    """
    found = by_checkpoint_name(model, shapes)
    for name, tensor in found.items():
        if tuple(tensor.shape) != shapes[name]:
            raise ValueError(f"{name} is {tuple(tensor.shape)} live, but {shapes[name]} merged")
    firsts: dict[int, str] = {}
    for name, tensor in found.items():
        firsts.setdefault(tensor.data_ptr(), name)
    targets = {name: found[name] for name in firsts.values()}
    merged, towers = _entries(targets.values()), set(tower_names(model))
    for name, parameter in model.named_parameters():
        # One storage is one parameter: experts are slices of it, and none may be left out.
        if name not in towers and merged[_address(parameter)] < parameter.numel():
            raise ValueError(
                f"the live model's {name} is not among the merged tensors, or only in part"
            )
    return targets


def _entries(tensors: Iterable[Tensor]) -> Counter[int]:
    """Storage -> how many of its entries the tensors have; no two of them overlap."""
    entries: Counter[int] = Counter()
    for tensor in tensors:
        entries[_address(tensor)] += tensor.numel()
    return entries


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()

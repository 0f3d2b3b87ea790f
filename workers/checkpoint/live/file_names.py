"""How transformers treats the names of tensors in a model's files when it loads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

if TYPE_CHECKING:
    from workers.checkpoint.headers import TensorInfo


class FileNames:
    """Where the tensors of files go in a live model.

    Args:
        model: the live model; without weights is enough.
    """

    def __init__(self, model: Any) -> None:
        conversions = get_model_conversion_mapping(model)
        self._renamings = [each for each in conversions if isinstance(each, WeightRenaming)]
        self._converters = [each for each in conversions if isinstance(each, WeightConverter)]
        self._loaded = dict(model.state_dict())
        self._computed = {_ending(name) for name, _ in model.named_non_persistent_buffers()}
        self._prefix = model.base_model_prefix
        self._ignored = tuple(model._keys_to_ignore_on_load_unexpected or ())

    def live_name(self, tensor: str) -> str | None:
        """The parameter or buffer into which a tensor is loaded, alone or with others, if any."""
        name, _ = self._renamed(tensor)
        return name if name in self._loaded else None

    def is_renamed(self, tensor: str) -> bool:
        """Whether a tensor is loaded as a whole, under its own or another name."""
        name, converter = self._renamed(tensor)
        return name in self._loaded and converter is None

    def ignores(self, tensor: str, info: TensorInfo) -> bool:
        """Whether a tensor is not loaded, and is known to be no weight of the model.

        That is what the architecture says itself, and a buffer that is computed and not loaded.
        Two constants of old files are named here, since transformers does not name them any
        more: causal masks, (1, 1, n, n), and the number that masked scores get.
        """
        name, _ = self._renamed(tensor)
        if name in self._loaded:
            return False
        return (
            any(re.search(pattern, name) for pattern in self._ignored)
            or _ending(name) in self._computed
            or (info.shape[:2] == (1, 1) and len({*info.shape[2:]}) == 1 and len(info.shape) == 4)
            or (not info.shape and name.endswith("masked_bias"))
        )

    def _renamed(self, tensor: str) -> tuple[str, str | None]:
        """The name in the live model, and the pattern of the conversion with others, if any."""
        if tensor in self._loaded:
            return tensor, None
        found: tuple[str, str | None] = rename_source_key(
            tensor, self._renamings, self._converters, self._prefix, self._loaded
        )
        return found


def _ending(name: str) -> str:
    """The module and name of a buffer, without the layer that it was in."""
    return ".".join(name.split(".")[-2:])

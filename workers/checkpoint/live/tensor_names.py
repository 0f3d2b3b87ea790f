"""The tensors of a live model by the names that they have in checkpoint files."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

# Internal to transformers; `save_pretrained` renames and splits tensors with it.
from transformers.core_model_loading import revert_weight_conversion

if TYPE_CHECKING:
    from torch import Tensor


class _WithoutCopies(torch.overrides.TorchFunctionMode):
    """Makes `Tensor.contiguous` return the tensor itself.

    transformers splits a fused tensor into slices and copies each of them with `contiguous`. The
    same slices without the copies are views of the live tensor.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function is torch.Tensor.contiguous:
            return args[0]
        return function(*args, **(kwargs or {}))


def stored_tensors(model: Any) -> dict[str, Tensor]:
    """The tensors that `save_pretrained` would write, and tied ones, by their names in the files.

    Most architectures have the same tensors live; some rename them (gpt_neox) or fuse them
    (experts). Nothing is copied that is a part of one live tensor, so this costs no memory.
    """
    with _WithoutCopies():
        return dict(revert_weight_conversion(model, model.state_dict()))


def computed_names(model: Any, stored: Mapping[str, Tensor]) -> list[str]:
    """The names of the stored tensors that are not a view of one live tensor."""
    live = {_storage(tensor) for tensor in model.state_dict().values()}
    return [name for name, tensor in stored.items() if _storage(tensor) not in live]


def by_checkpoint_name(model: Any, names: Iterable[str]) -> dict[str, Tensor]:
    """The live tensors with these checkpoint names; writing to them changes the model.

    A tensor that is fused with others in the live model is a view of its part; old files omit the
    model's prefix.

    Raises:
        ValueError: if the live model does not have such a tensor, or computes it from others.
    """
    stored = stored_tensors(model)
    computed = set(computed_names(model, stored))
    kind = model.config.model_type
    tensors = {}
    for name in names:
        found = with_prefix(name, stored, f"{model.base_model_prefix}.")
        if found not in stored:
            raise ValueError(f"the live {kind} has no tensor {name}")
        if found in computed:
            raise ValueError(f"{name}: {no_view(kind)}")
        tensors[name] = stored[found]
    return tensors


def with_prefix(name: str, known: Container[str], prefix: str) -> str:
    """The known name of a tensor: its own, or with the prefix, which files of old models omit."""
    prefixed = f"{prefix}{name}"
    return prefixed if name not in known and prefixed in known else name


def no_view(model_type: str) -> str:
    """Why tensors that have no view cannot be merged into a live model."""
    return (
        f"the live {model_type} has no tensor with these entries in this order, because "
        "transformers joins or rearranges them when it loads and saves files; a search cannot "
        "merge such a model in memory, but `mergefront merge` can merge its files"
    )


def _storage(tensor: Tensor) -> int:
    """Identifies the storage; on the meta device, unlike here, all have the same address."""
    return int(tensor.untyped_storage()._cdata)

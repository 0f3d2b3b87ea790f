"""The parameters that transformers expects, from a config: a model on torch's meta device."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

from workers.checkpoint.headers import MERGEABLE

if TYPE_CHECKING:
    from workers.checkpoint.checkpoint import Checkpoint
    from workers.checkpoint.headers import TensorInfo

_CONFIG_ERRORS = (
    AttributeError,
    KeyError,
    OSError,
    StrictDataclassError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)

_SET_BY_ADAPTERS = {"tie_word_embeddings", "vocab_size"}


@dataclass(frozen=True)
class MetaModel:
    """A causal language model without weights."""

    shapes: Mapping[str, tuple[int, ...]]
    """Of every parameter that a checkpoint must contain, by the live model's name."""
    prefix: str
    """Of the parameters' names; files of old models omit it."""
    same_names: bool
    """Whether the tensors have the same names in checkpoint files."""
    ties: Mapping[str, str]
    """Tied parameters -> the parameter that they are tied to, by the live model's names."""
    model: Any

    def live_name(self, tensor: str) -> str | None:
        """The parameter or buffer into which transformers loads a checkpoint tensor, if any."""
        name = self._renamed(tensor)
        return name if name in self._loaded else None

    def ignores(self, tensor: str, info: TensorInfo) -> bool:
        """Whether a tensor is not loaded, and is known to be no weight of the model.

        That is what the architecture says itself, a buffer that is computed and not loaded, or
        a constant of old versions: a mask of integers, or a number without dimensions.
        """
        name = self._renamed(tensor)
        if name in self._loaded:
            return False
        patterns = self.model._keys_to_ignore_on_load_unexpected or ()
        return (
            any(re.search(pattern, name) for pattern in patterns)
            or _ending(name) in self._computed
            or info.dtype not in MERGEABLE
            or not info.shape
        )

    def _renamed(self, tensor: str) -> str:
        if tensor in self._loaded:
            return tensor
        prefix = self.model.base_model_prefix
        name, _ = rename_source_key(tensor, *self._conversions, prefix, self._loaded)
        return str(name)

    @cached_property
    def _loaded(self) -> dict[str, torch.Tensor]:
        return dict(self.model.state_dict())

    @cached_property
    def _computed(self) -> set[str]:
        return {_ending(name) for name, _ in self.model.named_non_persistent_buffers()}

    @cached_property
    def _conversions(self) -> tuple[list[Any], list[Any]]:
        """What transformers applies to names in files: renamings, and conversions of tensors."""
        found = get_model_conversion_mapping(self.model)
        return (
            [each for each in found if isinstance(each, WeightRenaming)],
            [each for each in found if isinstance(each, WeightConverter)],
        )


def normalised_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """The config with every default filled in and old spellings replaced.

    Raises:
        ValueError: if transformers does not know this type of model, or it is not a causal
            language model.
    """
    config: dict[str, Any] = transformers_config(checkpoint).to_dict()
    return config


def meta_model(checkpoint: Checkpoint) -> MetaModel:
    """The model that the config describes.

    Raises:
        ValueError: as `normalised_config`, and if the config contradicts itself.
    """
    transformers_config(checkpoint)
    return _meta_model(checkpoint.path / "config.json", _text(checkpoint))


@lru_cache(maxsize=32)
def _meta_model(where: Path, text: str) -> MetaModel:
    """Kept, because a model is opened several times."""
    try:
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(_read_config(text))
    except (*_CONFIG_ERRORS, RuntimeError) as error:
        raise ValueError(f"{where}: transformers cannot build this model: {error}") from None
    shapes = {name: tuple(each.shape) for name, each in model.named_parameters()}
    mapped = bool(get_model_conversion_mapping(model, add_legacy=False))
    ties = dict(model.all_tied_weights_keys)
    return MetaModel(shapes, f"{model.base_model_prefix}.", not mapped, ties, model)


def transformers_config(checkpoint: Checkpoint) -> Any:
    """The config as transformers reads it from a file.

    Raises:
        ValueError: as `normalised_config`.
    """
    where = checkpoint.path / "config.json"
    kind = checkpoint.config.get("model_type")
    if kind not in transformers.CONFIG_MAPPING:
        raise ValueError(
            f"{where}: model_type {kind!r} is not known to transformers "
            f"{transformers.__version__}; only its own models can be merged"
        )
    try:
        config = _read_config(_text(checkpoint))
    except _CONFIG_ERRORS as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{where}: transformers cannot read it: {reason}") from None
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(f"{where}: model_type {kind!r} is not a causal language model")
    for key in _SET_BY_ADAPTERS & checkpoint.config.keys():
        setattr(config, key, checkpoint.config[key])
    return config


def _text(checkpoint: Checkpoint) -> str:
    return json.dumps(dict(checkpoint.config))


def _read_config(text: str) -> Any:
    """From a file of its own, because a stack's config is not that of its path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(text, encoding="utf-8")
        return transformers.AutoConfig.from_pretrained(folder)


def _ending(name: str) -> str:
    """The module and name of a buffer, without the layer that it was in."""
    return ".".join(name.split(".")[-2:])

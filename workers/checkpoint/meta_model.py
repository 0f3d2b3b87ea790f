"""The parameters that transformers expects, from a config: a model on torch's meta device."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers.conversion_mapping import get_model_conversion_mapping

if TYPE_CHECKING:
    from workers.checkpoint.checkpoint import Checkpoint

_CONFIG_ERRORS = (
    AttributeError,
    KeyError,
    OSError,
    StrictDataclassError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)


@dataclass(frozen=True)
class MetaModel:
    """A causal language model without weights."""

    shapes: Mapping[str, tuple[int, ...]]
    """Of every parameter that a checkpoint must contain, by the live model's name."""
    prefix: str
    """Of the parameters' names; files of old models omit it."""
    same_names: bool
    """Whether the tensors have the same names in checkpoint files."""


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
    config = transformers_config(checkpoint)
    try:
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
    except (*_CONFIG_ERRORS, RuntimeError) as error:
        where = checkpoint.path / "config.json"
        raise ValueError(f"{where}: transformers cannot build this model: {error}") from None
    shapes = {name: tuple(each.shape) for name, each in model.named_parameters()}
    mapped = bool(get_model_conversion_mapping(model, add_legacy=False))
    return MetaModel(shapes, f"{model.base_model_prefix}.", not mapped)


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
        with tempfile.TemporaryDirectory() as folder:  # a stack's config is not that of its path
            Path(folder, "config.json").write_text(json.dumps(dict(checkpoint.config)))
            config = transformers.AutoConfig.from_pretrained(folder)
    except _CONFIG_ERRORS as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{where}: transformers cannot read it: {reason}") from None
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(f"{where}: model_type {kind!r} is not a causal language model")
    return config

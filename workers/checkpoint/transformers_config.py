"""The config of a checkpoint as transformers reads it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transformers
from huggingface_hub.errors import StrictDataclassError

from evaluators.wording import first_line
from workers.checkpoint.parts import is_multi_part

if TYPE_CHECKING:
    from workers.checkpoint.checkpoint import Checkpoint

CONFIG_ERRORS = (
    AttributeError,
    KeyError,
    OSError,
    StrictDataclassError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)
"""What transformers raises when a config contradicts itself."""


def normalised_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """config.json with every default of its model type.

    Raises:
        ValueError: if transformers does not know this type of model, or it is not a causal
            language model.
    """
    config: dict[str, Any] = transformers_config(checkpoint).to_dict()
    return config


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
        config = parse_config(config_text(checkpoint))
    except CONFIG_ERRORS as error:
        reason = first_line(error)
        raise ValueError(f"{where}: transformers cannot read it: {reason}") from None
    known = transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    if type(config) not in known and not is_multi_part(config):
        raise ValueError(f"{where}: model_type {kind!r} is not a causal language model")
    return config


def config_text(checkpoint: Checkpoint) -> str:
    """The config as JSON; not always that of the file, as of a stack or an adapted model."""
    return json.dumps(dict(checkpoint.config))


def parse_config(text: str) -> Any:
    """The transformers config that a config.json with this text gives."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(text, encoding="utf-8")
        return transformers.AutoConfig.from_pretrained(folder)

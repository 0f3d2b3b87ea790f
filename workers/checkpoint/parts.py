"""The parts of a multi-part model: a language model, and towers such as a vision tower."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NESTED = "text_config"
"""Where the config of a multi-part model has the settings of its language model."""


def language_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the language model; in old files of multi-part models they are not nested.

    >>> language_config({"text_config": {"num_hidden_layers": 2}, "vision_config": {}})
    {'num_hidden_layers': 2}
    >>> language_config({"num_hidden_layers": 2})
    {'num_hidden_layers': 2}
    """
    return dict(config.get(NESTED) or config)


def with_language_config(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The config with other settings of the language model.

    >>> with_language_config({"text_config": {"vocab_size": 8}}, {"vocab_size": 9})
    {'text_config': {'vocab_size': 9}}
    """
    if not config.get(NESTED):
        return {**config, **changes}
    return {**config, NESTED: {**config[NESTED], **changes}}


def is_multi_part(config: Any) -> bool:
    """Whether the language model of a transformers config is one of several parts."""
    import transformers  # noqa: PLC0415 - slow, and only names and headers are read without it

    return (
        type(config) in transformers.MODEL_FOR_MULTIMODAL_LM_MAPPING
        and NESTED in config.sub_configs
        and not config.is_encoder_decoder
    )


def auto_class(config: Any) -> Any:
    """The class of transformers that makes a model of a config, with all of its parts."""
    import transformers  # noqa: PLC0415 - as above

    if is_multi_part(config):
        return transformers.AutoModelForMultimodalLM
    return transformers.AutoModelForCausalLM


def tower_names(model: Any) -> Iterator[str]:
    """The tensors of a live model that belong neither to its language model nor to its head."""
    if not is_multi_part(model.config):
        return
    language = [model.get_decoder(), model.get_input_embeddings(), model.get_output_embeddings()]
    own = {
        id(tensor)
        for module in language
        if module is not None
        for tensor in module.state_dict(keep_vars=True).values()
    }
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in own:
            yield name

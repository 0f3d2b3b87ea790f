"""The tensors that transformers expects, from a config: a model on torch's meta device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers.conversion_mapping import get_model_conversion_mapping

from workers.checkpoint.live.file_names import FileNames
from workers.checkpoint.live.tensor_names import computed_names, stored_tensors
from workers.checkpoint.parts import auto_class, tower_names
from workers.checkpoint.transformers_config import (
    CONFIG_ERRORS,
    config_text,
    parse_config,
    transformers_config,
)

if TYPE_CHECKING:
    from workers.checkpoint.checkpoint import Checkpoint


@dataclass(frozen=True)
class MetaModel:
    """A causal language model, or a model of several parts, without weights."""

    shapes: Mapping[str, tuple[int, ...]]
    """Of every tensor that a checkpoint must contain, by its name in the files."""
    computed: Sequence[str]
    """The tensors that the live model has only joined or rearranged, so that it has no view."""
    prefix: str
    """Of the names; files of old models omit it."""
    ties: Mapping[str, str]
    """Tied parameters -> the parameter that they are tied to, by the live model's names."""
    file_names: FileNames
    towers: frozenset[str]
    """The tensors outside the language model, by the live model's names."""
    n_layers: int | None
    """Of the language model."""


def meta_model(checkpoint: Checkpoint) -> MetaModel:
    """The model that a checkpoint's config describes, with the names that its files use.

    Raises:
        ValueError: as `normalised_config`, and if the config contradicts itself.
    """
    transformers_config(checkpoint)
    candidates = _meta_models(checkpoint.path / "config.json", config_text(checkpoint))
    return max(candidates, key=lambda each: len(each.shapes.keys() & checkpoint.tensors.keys()))


@lru_cache(maxsize=32)
def _meta_models(where: Path, text: str) -> list[MetaModel]:
    """One for each set of names; kept, because a model is opened several times."""
    try:
        with torch.device("meta"):
            config = parse_config(text)
            model = auto_class(config).from_config(config)
    except (*CONFIG_ERRORS, ImportError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{where}: transformers cannot build this model: {reason}") from None
    file_names, ties = FileNames(model), dict(model.all_tied_weights_keys)
    towers = frozenset(tower_names(model))
    n_layers = getattr(config.get_text_config(), "num_hidden_layers", None)
    return [
        MetaModel(
            {name: tuple(each.shape) for name, each in stored.items()},
            computed_names(model, stored),
            f"{model.base_model_prefix}.",
            ties,
            file_names,
            towers,
            n_layers,
        )
        for stored in (_untied(model, each, file_names) for each in _namings(model))
    ]


def _namings(model: Any) -> Iterator[dict[str, torch.Tensor]]:
    """The tensors under each set of names that transformers reads: files come with all of them.

    As it writes them, as the text part of a model of several parts, and as they are named live.
    """
    yield stored_tensors(model)
    for conversions in [get_model_conversion_mapping(model, add_legacy=False), list[Any]()]:
        model._weight_conversions = conversions  # where `from_pretrained` notes what it applied
        yield stored_tensors(model)


def _untied(
    model: Any, tensors: dict[str, torch.Tensor], file_names: FileNames
) -> dict[str, torch.Tensor]:
    """Without the second names of shared parameters; a file need not have them."""
    every = dict(model.named_parameters(remove_duplicate=False))
    tied = every.keys() - dict(model.named_parameters()).keys()
    return {n: tensor for n, tensor in tensors.items() if file_names.live_name(n) not in tied}

"""Models as transformers makes them: what it expects in files, and what it loads."""

from workers.checkpoint.live.live_model import (
    encoded_by_file,
    live_parameters,
    load_model,
    load_tokenizer,
    resize,
    separate_head,
)
from workers.checkpoint.live.meta_model import MetaModel, meta_model
from workers.checkpoint.live.tensor_names import by_checkpoint_name, no_view, with_prefix

__all__ = [
    "MetaModel",
    "by_checkpoint_name",
    "encoded_by_file",
    "live_parameters",
    "load_model",
    "load_tokenizer",
    "meta_model",
    "no_view",
    "resize",
    "separate_head",
    "with_prefix",
]

"""The GPU memory that the engine vLLM needs, from a model's config and the sizes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from workers.checkpoint import Checkpoint, language_config

if TYPE_CHECKING:
    from evaluators.tasks import SuiteSettings

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
OTHER_CACHES = ("kv_lora_rank", "mamba_d_state", "linear_num_key_heads", "ssm_cfg")
"""Keys of models that keep something else than keys and values of every layer."""


@dataclass(frozen=True)
class VllmMemory:
    """Bytes of GPU memory for one vLLM."""

    weights: int
    cache: int | None
    """Of keys and values of one text of the longest length; None for another kind of attention."""
    tokens: int
    """Of that text."""
    share: float
    """Of a GPU's memory that vLLM takes, `gpu_memory_utilization`."""

    @property
    def gpu(self) -> int:
        """The size of the smallest GPU on which vLLM starts."""
        return int((self.weights + (self.cache or 0)) / self.share)

    def line(self) -> str:
        """One line for a person."""
        cache = (
            f" and {decimal(self.cache)} for the KV cache of one text of {self.tokens:,} tokens"
            if self.cache
            else ", and its cache beside them"
        )
        return (
            f"GPU memory: vLLM needs {decimal(self.weights)} for the weights{cache}: with "
            f"gpu_memory_utilization {self.share:g}, a GPU of more than {decimal(self.gpu)}"
        )


def vllm_memory(checkpoint: Checkpoint, settings: SuiteSettings) -> VllmMemory:
    """Estimates what a vLLM needs for this model; activations and CUDA graphs come on top."""
    config, vllm = language_config(checkpoint.config), settings.vllm
    dtype = vllm.dtype if vllm.dtype in BYTES else "bfloat16"  # `auto` is one of 16 bits
    limit = vllm.max_model_len or settings.max_length or _context(config)
    entry = 1 if vllm.kv_cache_dtype.startswith("fp8") else BYTES[dtype]
    per_token = _cache_entries(config, checkpoint.n_layers)
    return VllmMemory(
        weights=sum(info.nbytes_as(dtype) for info in checkpoint.tensors.values()),
        cache=None if per_token is None else per_token * entry * limit,
        tokens=limit,
        share=vllm.gpu_memory_utilization,
    )


def _context(config: Mapping[str, Any]) -> int:
    return int(config.get("max_position_embeddings") or config.get("n_positions") or 2048)


def _cache_entries(config: Mapping[str, Any], n_layers: int) -> int | None:
    """Numbers that are kept for each token: keys and values of every layer's heads."""
    n_heads = config.get("num_attention_heads") or config.get("n_head")
    width = config.get("hidden_size") or config.get("n_embd")
    if not n_heads or not width or any(config.get(key) for key in OTHER_CACHES):
        return None
    head = config.get("head_dim") or width // n_heads
    return int(2 * n_layers * (config.get("num_key_value_heads") or n_heads) * head)

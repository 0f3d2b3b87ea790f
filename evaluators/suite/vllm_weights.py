"""Replaces the weights of a living vLLM in place.

`reload_weights` maps names, fuses and stacks tensors as on loading, and repacks them for the
kernels. In vLLM's CPU build (0.32) it leaves two of the packed copies as they were: that of a
head that is tied to the embedding, as no tensor of its name is loaded, and that of experts, which
are packed only when their kernel is made. Both are repacked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vllm.model_executor.layers.vocab_parallel_embedding import UnquantizedEmbeddingMethod
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload
from vllm.platforms import current_platform

if TYPE_CHECKING:
    from torch import Tensor
    from vllm import LLM


def replace_weights(engine: LLM, tensors: Iterator[tuple[str, Tensor]]) -> None:
    """Gives an engine in this process other weights, and clears what the last ones have cached.

    Args:
        engine: whose model has the layers of the tensors.
        tensors: by their names in a model's files.

    Raises:
        Exception: what the iterator raises. The weights are those of no model then, and the next
            ones replace them as usual.
    """
    if current_platform.is_cpu():
        engine.collective_rpc(_forget_kernels_of_experts)
    try:
        engine.collective_rpc("reload_weights", kwargs={"weights_iterator": tensors})
    except Exception:
        engine.collective_rpc(_end_reload)
        raise
    if current_platform.is_cpu():
        engine.collective_rpc(_pack_embeddings)
    engine.reset_prefix_cache()
    engine.collective_rpc(_clear_kv_cache)


def _end_reload(worker: Any) -> None:
    """Discards what it has read: it would be mixed with the tensors of the next reload."""
    finalize_layerwise_reload(worker.model_runner.get_model(), worker.model_config)


def _forget_kernels_of_experts(worker: Any) -> None:
    for _, method in _methods(worker):
        if hasattr(method, "moe_kernel"):
            method.moe_kernel = None


def _pack_embeddings(worker: Any) -> None:
    for layer, method in _methods(worker):
        if isinstance(method, UnquantizedEmbeddingMethod):
            method.process_weights_after_loading(layer)


def _clear_kv_cache(worker: Any) -> None:
    """A broken model leaves NaN in it, which spoils the next one's attention: times 0 it is NaN."""
    for layer in worker.model_runner.kv_caches:
        for tensor in layer if isinstance(layer, list | tuple) else [layer]:
            tensor.zero_()


def _methods(worker: Any) -> Iterator[tuple[Any, Any]]:
    """The layers that have a method of storing their weights."""
    for layer in worker.model_runner.get_model().modules():
        if method := getattr(layer, "quant_method", None):
            yield layer, method

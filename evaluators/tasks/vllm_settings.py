"""The settings of the engine vLLM, by the names that vLLM gives them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from evaluators.settings import Count, Settings

GIB = 2**30
Share = Annotated[float, Field(gt=0, le=1)]


class VllmSettings(Settings):
    """What vLLM is started with; each of them may change scores."""

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Of the computation; `auto` is the models' own, but of 16 bits for models in float32."""
    max_model_len: Count | None = None
    """Tokens of prompt plus answer; by default the model's limit."""
    gpu_memory_utilization: Share = 0.5
    """Share of the GPU's memory for model and KV cache; the merged models need some beside it."""
    kv_cache_gib: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """GiB of the KV cache; by default what `gpu_memory_utilization` leaves, on a CPU 1."""
    kv_cache_dtype: Literal["auto", "fp8", "fp8_e4m3", "fp8_e5m2"] = "auto"
    max_num_seqs: Count | None = None
    """Sequences at once; by default vLLM's own choice."""
    enforce_eager: bool = False
    """Without CUDA graphs and compilation: starts sooner, scores slower."""
    tensor_parallel_size: Literal[1] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1234

    @field_validator("tensor_parallel_size", mode="before")
    @classmethod
    def _is_one(cls, given: Any) -> Any:
        if isinstance(given, int) and given > 1:
            raise ValueError(
                f"{given} is not supported: merged weights go into an engine of one process; use "
                "`engine: hf` with several `workers.gpus` for a model larger than a GPU"
            )
        return given

    def arguments(self, max_length: int | None, *, on_cpu: bool) -> dict[str, Any]:
        """Keyword arguments of lm-eval's class for vLLM; what is left to vLLM is not among them.

        Args:
            max_length: the limit of the suite, if there is no `max_model_len`.
            on_cpu: there the KV cache has 1 GiB by default.
        """
        other = {"kv_cache_gib", "tensor_parallel_size"}
        given = self.model_dump(exclude=other, exclude_none=True)
        if self.max_model_len is None and max_length is not None:
            given["max_model_len"] = max_length
        if gib := self.kv_cache_gib or (1 if on_cpu else None):
            given["kv_cache_memory_bytes"] = int(gib * GIB)
        return {**given, "enable_prefix_caching": True}

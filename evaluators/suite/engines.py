"""Makes the scoring engines; each is imported only when it is asked for."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from packaging.version import Version

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evaluators.engine import ScoringEngine
    from evaluators.tasks import SuiteSettings

OLDEST_VLLM = "0.32"
"""The version that the engine was written for."""


def make_hf_engine(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: SuiteSettings
) -> ScoringEngine:
    """A live transformers model that answers requests."""
    from evaluators.suite.hf_engine import HfEngine  # noqa: PLC0415 - takes 4 s

    return HfEngine(model, tokenizer, settings.batch_size, settings.max_length)


def make_vllm_engine(folder: Path, settings: SuiteSettings) -> ScoringEngine:
    """A living vLLM with the config and tokenizer in a folder.

    Raises:
        ValueError: if vLLM is missing or too old, or cannot run this model.
    """
    if error := vllm_error():
        raise ValueError(error)
    from evaluators.suite.vllm_engine import VllmEngine  # noqa: PLC0415 - takes 10 s

    return VllmEngine(folder, settings)


def gpu_count() -> int:
    """The GPUs that this process can use."""
    import torch  # noqa: PLC0415 - slow

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def best_engine() -> Literal["hf", "vllm"]:
    """What the engine `auto` is: vLLM where it is installed and this machine has a GPU."""
    has_gpu = Path("/proc/driver/nvidia/version").exists()
    return "vllm" if has_gpu and vllm_error() is None else "hf"


def vllm_error() -> str | None:
    """Why vLLM cannot be used in this environment; None if it can."""
    advice = (
        "`pip install 'mergefront[vllm]'` there, name an environment that has it in "
        "`workers: {runtime_env: {py_executable: ...}}`, or set `engine: hf`"
    )
    if find_spec("vllm") is None:
        return f"scoring.engine: vllm is not installed in {sys.prefix}; {advice}"
    try:
        found = version("vllm")
    except PackageNotFoundError:  # lm-eval asks for it too
        return f"scoring.engine: {sys.prefix} has no distribution named vllm; {advice}"
    if Version(found) < Version(OLDEST_VLLM):
        too_old = f"vllm {found} in {sys.prefix} is too old; needs {OLDEST_VLLM}"
        return f"scoring.engine: {too_old}; {advice}"
    return None

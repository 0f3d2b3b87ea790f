"""The settings of scoring: which tasks, and how a model is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from evaluators.documents import DocumentSettings
from evaluators.settings import Count, CountOrZero, Settings
from evaluators.tasks.vllm_settings import VllmSettings


class ScoringSettings(Settings):
    """How a model is asked, and what its tasks are allowed to do."""

    engine: Literal["hf", "vllm", "auto"] = "hf"
    vllm: VllmSettings = VllmSettings()
    batch_size: Count = 128  # maximum
    batch_tokens: Count = 16384  # maximum for a batch of the longest requests
    max_length: Count | None = None  # of prompt plus answer; None: the model's limit
    max_gen_toks: Count | None = None  # per generation; None: the task's own limit
    num_fewshot: CountOrZero | None = None
    hold_out_examples: bool = False  # leave documents unscored where few-shot examples need them
    apply_chat_template: bool = False
    keep_responses: bool = False
    allow_code: tuple[str, ...] = ()
    allow_benchmark_tuning: bool = False


class FunctionSettings(Settings):
    """A Python function that scores the live model, and the number of its documents."""

    name: str
    """`package.module:function`."""
    documents: Count


class SuiteSettings(ScoringSettings):
    """The tasks, their folder, and how a model is asked."""

    tasks: tuple[str, ...]
    functions: tuple[FunctionSettings, ...] = ()
    folder: Path | None = None
    documents: DocumentSettings = DocumentSettings()

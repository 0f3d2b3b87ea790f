"""Which tasks may be scored, and how: read from files alone, without lm-eval, data or a model."""

from __future__ import annotations

from evaluators.tasks.files import TaskError, TaskFile, read_file, read_folder
from evaluators.tasks.permissions import benchmark_error, code_error, public_test, strings
from evaluators.tasks.settings import FunctionSettings, ScoringSettings, SuiteSettings
from evaluators.tasks.vllm_settings import VllmSettings

__all__ = [
    "FunctionSettings",
    "ScoringSettings",
    "SuiteSettings",
    "TaskError",
    "TaskFile",
    "VllmSettings",
    "benchmark_error",
    "code_error",
    "public_test",
    "read_file",
    "read_folder",
    "strings",
]

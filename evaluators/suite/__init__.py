"""Scores a live model on lm-eval's tasks; does not know where the model's weights come from.

Tasks, requests and token ids are prepared once; lm-eval's own code computes answers, metrics and
aggregates, so scores are equal to lm-eval's (docs/scoring.md). Only this folder imports lm_eval.
Importing it takes seconds; settings and errors are in `evaluators.tasks`, which is light.
"""

from __future__ import annotations

import logging

from evaluators.suite.engines import (
    best_engine,
    gpu_count,
    make_hf_engine,
    make_vllm_engine,
    vllm_error,
)
from evaluators.suite.suite import Suite

__all__ = ["Suite", "best_engine", "gpu_count", "make_hf_engine", "make_vllm_engine", "vllm_error"]

logging.getLogger("lm_eval").setLevel(logging.ERROR)  # it logs a line per request otherwise

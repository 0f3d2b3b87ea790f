"""lm-eval's tasks over a live model: its scores to the last bit, at the cost of the forwards.

The only door of lm_eval. Tasks are loaded once, requests are built and tokenised once, and
lm-eval's own code answers, filters and aggregates them (docs/scoring.md).
"""

from __future__ import annotations

import logging

from evaluators.scores import BrokenModel, Scores
from evaluators.suite.suite import Suite
from evaluators.tasks import SuiteSettings, TaskError

__all__ = ["BrokenModel", "Scores", "Suite", "SuiteSettings", "TaskError"]

logging.getLogger("lm_eval").setLevel(logging.ERROR)  # a line per request otherwise

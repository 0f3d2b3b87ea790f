"""Tests never reach for the network, and are not judged by the speed of a shared machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import hypothesis
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models are tiny: more would only wait
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else tokenizers warns in every forked process

hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    """Commands that run in this process, such as one with --quiet, set them for all of it."""
    loggers = [logging.getLogger(name) for name in (None, "search", "workers", "evaluators")]
    levels = [each.level for each in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)

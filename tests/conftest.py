"""Tests never reach for the network, and are not judged by the speed of a shared machine."""

from __future__ import annotations

import logging
import os

import hypothesis
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models are tiny: more would only wait
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else tokenizers warns in every forked process

hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture(autouse=True)
def _logging_of_this_test_alone() -> None:
    """Commands that ran in this process, such as those with --quiet, leave their levels behind."""
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)

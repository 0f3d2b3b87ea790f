"""Digests by which a run knows its tasks again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lm_eval.api.task import Task

# Where the data lie and what the authors say of them changes no score; the documents have a digest
# of their own.
_ELSEWHERE = ("dataset_path", "dataset_name", "dataset_kwargs", "custom_dataset", "metadata")


def of_task(task: Task) -> str:
    """Of how a task asks and measures."""
    config = {k: v for k, v in task.dump_config().items() if k not in _ELSEWHERE}
    return _digest(json.dumps(config, sort_keys=True, default=_stable))


def of_documents(hashes: Sequence[str]) -> str:
    """Of a task's documents in their order."""
    return _digest("\n".join(hashes))


def _stable(value: object) -> str:
    """A function by its name: its address is another in every process."""
    return getattr(value, "__qualname__", type(value).__name__)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

"""Digests that tell whether a task or its documents have changed since a run began."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lm_eval.api.task import Task

# These keys do not affect scores: they locate the data or describe the task. The documents have a
# digest of their own.
_IGNORED = ("dataset_path", "dataset_name", "dataset_kwargs", "custom_dataset", "metadata")


def task_fingerprint(task: Task) -> str:
    """Digest of a task's prompts and metrics."""
    config = {k: v for k, v in task.dump_config().items() if k not in _IGNORED}
    return _digest(json.dumps(config, sort_keys=True, default=_stable))


def differing_keys(one: Task, other: Task) -> list[str]:
    """The keys of a task file whose values differ between two tasks of one name."""
    ours, theirs = (
        {key: json.dumps(value, sort_keys=True, default=_stable) for key, value in config.items()}
        for config in (one.dump_config(), other.dump_config())
    )
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    return [key for key in keys if key != "fewshot_config"] or keys  # it repeats other keys


def documents_fingerprint(hashes: Sequence[str]) -> str:
    """Digest of a task's documents and their order."""
    return _digest("\n".join(hashes))


def _stable(value: object) -> str:
    """The name of a function, whose address differs between processes."""
    return getattr(value, "__qualname__", type(value).__name__)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

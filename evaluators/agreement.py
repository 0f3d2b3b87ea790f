"""Whether two scorings of one model agree, document by document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

Key = tuple[str, int]
"""Task and document."""


@dataclass(frozen=True)
class Tolerance:
    """How far the values of one document may be apart, and how many documents further."""

    relative: float
    """Of a value, or of 1 if it is smaller."""
    share: float = 0.0
    """Of a task's documents; a document that is right or wrong by a hair tips over."""

    def allowed(self, documents: int) -> int:
        """How many documents of a task may be further apart.

        >>> Tolerance(0.05, 0.05).allowed(24), Tolerance(0.05).allowed(24)
        (2, 0)
        """
        return math.ceil(self.share * documents)


SAME = Tolerance(1e-5)
"""Of float32 weights on the same kind of device: documents in other batches change last bits."""
ROUNDED = Tolerance(0.05, 0.05)
"""Of weights in 16 bits or otherwise rounded, or another kind of device or engine."""


@dataclass(frozen=True)
class Difference:
    """A value of one document that is not as it was."""

    task: str
    doc_id: int
    what: str
    """The metric and filter, or `prompt`."""
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.task}, document {self.doc_id}: {self.what} was {self.before}, is {self.now}"


@dataclass(frozen=True)
class Agreement:
    """What is equal and what is not in two scorings of the same documents."""

    sizes: Mapping[str, int]
    """Task -> documents that were compared."""
    differences: Sequence[Difference]
    """Beyond the tolerance, the first of each document."""
    identical: bool
    """Whether all values are equal, bit for bit."""
    tolerance: Tolerance

    @property
    def documents(self) -> int:
        """Of all tasks."""
        return sum(self.sizes.values())

    @cached_property
    def failed_tasks(self) -> list[str]:
        """Tasks of which more documents differ than are allowed to."""
        counts = dict.fromkeys(self.sizes, 0)
        for each in self.differences:
            counts[each.task] += 1
        return [t for t, n in self.sizes.items() if counts[t] > self.tolerance.allowed(n)]


def agreement(before: pa.Table, now: pa.Table, tolerance: Tolerance) -> Agreement:
    """Compares two tables of scores; documents of `before` that `now` lacks differ.

    Args:
        before: of `evaluators.scores.SCHEMA`.
        now: another one, of the same documents.
        tolerance: what counts as equal.
    """
    old, new = _by_document(before), _by_document(now)
    found = (
        next(_differences(key, row, new.get(key, {}), tolerance), None) for key, row in old.items()
    )
    keys = list(old)
    return Agreement(
        sizes={task: sum(t == task for t, _ in keys) for task, _ in keys},
        differences=[each for each in found if each],
        identical=all(row == new.get(key) for key, row in old.items()),
        tolerance=tolerance,
    )


def _by_document(table: pa.Table) -> dict[Key, dict[str, Any]]:
    """Task and document -> metric, or `prompt` -> value."""
    found: dict[Key, dict[str, Any]] = {}
    for row in table.to_pylist():
        value = row["value"] if row["value_json"] is None else json.loads(row["value_json"])
        values = found.setdefault((row["task"], row["doc_id"]), {"prompt": row["prompt_hash"]})
        values[f"{row['metric']},{row['filter']}"] = value
    return found


def _differences(
    key: Key, before: Mapping[str, Any], now: Mapping[str, Any], tolerance: Tolerance
) -> Iterator[Difference]:
    for what, value in before.items():
        if what not in now or not _is_close(value, now[what], tolerance.relative):
            yield Difference(*key, what, value, now.get(what))


def _is_close(one: Any, other: Any, relative: float) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_is_close(a, b, relative) for a, b in pairs)
    if isinstance(one, float | int) and isinstance(other, float | int):
        return abs(one - other) <= relative * max(1.0, abs(one))
    return bool(one == other)

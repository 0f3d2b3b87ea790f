"""The names of a run's files."""

from __future__ import annotations

from collections.abc import Collection

PROPOSED, FINISHED, INDEXED, BUDGETS = "proposed", "finished", "trials", "budgets"


def proposed_name(number: int) -> str:
    """Of a proposal."""
    return f"{PROPOSED}/{number:06}.json"


def finished_name(number: int) -> str:
    """Of one finished trial."""
    return f"{FINISHED}/{number:06}.parquet"


def range_name(numbers: Collection[int]) -> str:
    """Of many finished trials: first and last number, though some between may be elsewhere."""
    return f"{min(numbers):06}-{max(numbers):06}.parquet"

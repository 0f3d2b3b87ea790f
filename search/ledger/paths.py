"""Names of a run's files."""

from __future__ import annotations

import re
from collections.abc import Collection

PROPOSED, FINISHED, INDEXED, BUDGETS = "proposed", "finished", "trials", "budgets"
ORDER = "order.json"
SIMPLIFIED = "simplified"  # shorter recipes than those of trials
SELECTION, REPORT = "selection", "report"  # the sets of documents that a search does not see
AVERAGES = "search"  # averages of trials, scored as these are, on the search documents


def proposed_name(number: int) -> str:
    """The file of one proposal."""
    return f"{PROPOSED}/{number:06}.json"


def finished_name(number: int) -> str:
    """The file of one finished trial."""
    return f"{FINISHED}/{number:06}.parquet"


def scores_name(documents: str, number: int) -> str:
    """The file of one trial's scores on another set of documents than that of the search."""
    return f"{documents}/{number:06}.parquet"


def simplified_name(documents: str, digest: str) -> str:
    """The file of the scores of a recipe that is shorter than a trial's."""
    return f"{SIMPLIFIED}/{documents}-{digest}.parquet"


def range_name(numbers: Collection[int]) -> str:
    """The file of many finished trials: the least and greatest number, perhaps with gaps."""
    return f"{min(numbers):06}-{max(numbers):06}.parquet"


def is_number(name: str) -> bool:
    """Whether this is the name of a file of one trial."""
    return re.fullmatch(r"\d{6,}\.\w+", name) is not None


def is_range(name: str) -> bool:
    """Whether this is the name of a file of many trials."""
    return re.fullmatch(r"\d{6,}-\d{6,}\.parquet", name) is not None


def possible_numbers(name: str) -> range:
    """The numbers of the trials that may be in a file."""
    first, _, last = name.partition(".")[0].partition("-")
    return range(int(first), int(last or first) + 1)

"""What the finished trials of a run show: its front, picks and importance; knows no files."""

from search.results.constant_objectives import (
    ENOUGH,
    ConstantError,
    check_objectives,
    constant_warnings,
)
from search.results.importance import importance
from search.results.results import RunResults

__all__ = [
    "ENOUGH",
    "ConstantError",
    "RunResults",
    "check_objectives",
    "constant_warnings",
    "importance",
]

"""What the finished trials of a run show: its front, picks and importance; knows no files."""

from search.results.constant_objectives import (
    ENOUGH,
    ConstantError,
    check_objectives,
    constant_warnings,
)
from search.results.document_scores import DocumentScores, document_scores, jackknife
from search.results.effort import Effort
from search.results.importance import importance
from search.results.recipe_text import recipe_lines
from search.results.results import RunResults
from search.results.shrinkage import shrink
from search.results.verdict import Comparison, ObjectiveVerdict, verdict

__all__ = [
    "ENOUGH",
    "Comparison",
    "ConstantError",
    "DocumentScores",
    "Effort",
    "ObjectiveVerdict",
    "RunResults",
    "check_objectives",
    "constant_warnings",
    "document_scores",
    "importance",
    "jackknife",
    "recipe_lines",
    "shrink",
    "verdict",
]

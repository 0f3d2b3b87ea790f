"""What the finished trials of a run show: its front, picks and importance; knows no files."""

from search.results.answers import TaskAnswers, task_answers
from search.results.constant_objectives import (
    ENOUGH,
    ConstantError,
    check_objectives,
    constant_warnings,
)
from search.results.document_scores import DocumentScores, document_scores, jackknife
from search.results.effort import Effort
from search.results.importance import MEANING, importance
from search.results.mean_text import SCALE, mean_text
from search.results.recipe_text import recipe_lines
from search.results.results import RunResults
from search.results.shrinkage import shrink
from search.results.simpler_recipe import Tensors, collapsed, count_numbers, steps
from search.results.simplification import Contrast, contrasts
from search.results.verdict import Comparison, ObjectiveVerdict, verdict

__all__ = [
    "ENOUGH",
    "MEANING",
    "SCALE",
    "Comparison",
    "ConstantError",
    "Contrast",
    "DocumentScores",
    "Effort",
    "ObjectiveVerdict",
    "RunResults",
    "TaskAnswers",
    "Tensors",
    "check_objectives",
    "collapsed",
    "constant_warnings",
    "contrasts",
    "count_numbers",
    "document_scores",
    "importance",
    "jackknife",
    "mean_text",
    "recipe_lines",
    "shrink",
    "steps",
    "task_answers",
    "verdict",
]

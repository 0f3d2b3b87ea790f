"""Merging: computes the tensors of a recipe, for a file or a live model; does not score or search.

docs/merging.md has the formulas and what makes the bytes reproducible.
"""

from workers.merging.engine import Engine, Merged
from workers.merging.statistics import every_tenth
from workers.settings import MergeSettings

__all__ = ["Engine", "MergeSettings", "Merged", "every_tenth"]

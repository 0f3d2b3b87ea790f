"""Merging: the passes over memory, tensor statistics, masks, and applying a recipe to a live model.

The only door of torch in this room. docs/merging.md has the formulas and what the bytes hang on.
"""

from workers.merging.engine import Engine, Merged
from workers.settings import MergeSettings

__all__ = ["Engine", "MergeSettings", "Merged"]

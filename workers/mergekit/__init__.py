"""mergekit's recipe files, read and written; mergekit itself is never imported.

What the format means is described in docs/recipes.md. A recipe that is read keeps the result that
mergekit 0.1.5 gives; what cannot be kept is refused by name and line.
"""

from workers.mergekit.reader import read
from workers.mergekit.writer import write

__all__ = ["read", "write"]

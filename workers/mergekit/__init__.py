"""Reads and writes mergekit's recipe files; never imports mergekit, and merges nothing.

A recipe that is read gives the same tensors as mergekit 0.1.5; what is not supported is an error
with its line number. docs/recipes.md describes the format.
"""

from workers.mergekit.chain import read_chain
from workers.mergekit.reader import read
from workers.mergekit.writer import write

__all__ = ["read", "read_chain", "write"]

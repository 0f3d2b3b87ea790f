"""The commands, and how results look at a terminal; decides nothing about a search."""

from search.cli.app import main

__all__ = ["main"]

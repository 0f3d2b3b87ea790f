"""The command line: commands, tables and progress; contains no logic of a search."""

from search.cli.app import main

__all__ = ["main"]

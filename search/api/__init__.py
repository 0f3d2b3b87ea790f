"""The functions for notebooks and scripts: the commands, with values instead of printed text."""

from search.api.frames import document_frame, trial_frame
from search.api.run import Run, open_run
from search.api.search import init_config, load_config, run_search

__all__ = [
    "Run",
    "document_frame",
    "init_config",
    "load_config",
    "open_run",
    "run_search",
    "trial_frame",
]

"""Searches for good recipes and reports the results; knows nothing of tensors, Ray or lm-eval.

The Python API of mergefront: docs/python-api.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.api import Run, init_config, load_config, open_run, run_search
    from search.config import ConfigError, Plan
    from search.ledger import Trial

__all__ = [
    "ConfigError",
    "Plan",
    "Run",
    "Trial",
    "init_config",
    "load_config",
    "open_run",
    "run_search",
]

_FOLDERS = {"ConfigError": "search.config", "Plan": "search.config", "Trial": "search.ledger"}


def __getattr__(name: str) -> Any:
    """Imports the API on its first use: the command line imports this package too.

    Raises:
        AttributeError: if there is no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_FOLDERS.get(name, "search.api")), name)


def __dir__() -> list[str]:
    return __all__

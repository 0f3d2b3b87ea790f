"""What to try next: Optuna's samplers and ours behind one settings union, and their study."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from search.samplers.settings import (
    Auto,
    Cmaes,
    Gp,
    Nsga2,
    Nsga3,
    Random,
    SamplerSettings,
    Tpe,
)

if TYPE_CHECKING:
    from search.samplers.mirror import Mirror, MirroredTrial
    from search.samplers.ped_anova import parameter_importance
    from search.samplers.study import Study

__all__ = [
    "Auto",
    "Cmaes",
    "Gp",
    "Mirror",
    "MirroredTrial",
    "Nsga2",
    "Nsga3",
    "Random",
    "SamplerSettings",
    "Study",
    "Tpe",
    "parameter_importance",
]

_NEED_OPTUNA = {
    "Mirror": "mirror",
    "MirroredTrial": "mirror",
    "Study": "study",
    "parameter_importance": "ped_anova",
}


def __getattr__(name: str) -> Any:
    """Imports what needs Optuna on its first use: settings are read, and most commands end, before.

    Raises:
        AttributeError: if there is no such name.
    """
    if name not in _NEED_OPTUNA:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NEED_OPTUNA[name]}"), name)

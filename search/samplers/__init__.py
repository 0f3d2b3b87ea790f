"""What to try next: Optuna's samplers and ours behind one settings union, and their study."""

from search.samplers.mirror import Mirror, MirroredTrial
from search.samplers.ped_anova import parameter_importance
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

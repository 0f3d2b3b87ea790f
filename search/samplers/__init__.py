"""What to try next: Optuna's samplers and ours behind one settings union, and their study."""

from search.samplers.auto import Pace
from search.samplers.settings import Auto, Cmaes, SamplerSettings
from search.samplers.study import Study

__all__ = ["Auto", "Cmaes", "Pace", "SamplerSettings", "Study"]

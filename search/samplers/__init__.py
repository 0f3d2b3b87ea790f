"""What to try next: Optuna's samplers behind one settings union, and the study they learn from."""

from search.samplers.settings import SamplerSettings, Tpe
from search.samplers.study import Study

__all__ = ["SamplerSettings", "Study", "Tpe"]

"""The search space: the axes of a run, point ↔ recipe; knows no scores and no samplers.

A space is a flat set of axes. Methods share the axes of the parameters that mean the same in them,
so a sampler can cross a TIES recipe with a DARE one. `method` is an axis like any other:

    method                    the merge method
    include[reverse]          whether this model takes part (with `membership`)
    pair                      which two models, for methods that merge exactly two
    weight[reverse].mlp.1     a per-model parameter of one module class in the second depth range
    lambda                    a parameter with one value for the whole model
"""

from search.space.axis import Axis, name_without_position, parameter_and_model
from search.space.merge_features import MergeFeatures
from search.space.settings import SpaceSettings
from search.space.space import Params, Space
from search.space.summary import parameter_summaries, recommended_trials

__all__ = [
    "Axis",
    "MergeFeatures",
    "Params",
    "Space",
    "SpaceSettings",
    "name_without_position",
    "parameter_and_model",
    "parameter_summaries",
    "recommended_trials",
]

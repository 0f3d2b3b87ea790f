"""Params ↔ recipe: the only place that knows how a sampled number is named.

A space is a flat set of axes. `method` is an axis like any other, and methods share the axes of the
parameters that mean the same to them, so a sampler can cross a TIES recipe with a DARE one:

    method                    which merge method
    include[reverse]          whether this model takes part (with `membership`)
    pair                      which two models, for methods that take exactly two
    weight[reverse].mlp.1     a per-model parameter of one module class in the second depth group
    lambda                    a parameter with one value for the whole model
"""

from search.space.axis import Axis
from search.space.settings import SpaceSettings
from search.space.space import Params, Space

__all__ = ["Axis", "Params", "Space", "SpaceSettings"]

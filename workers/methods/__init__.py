"""The merge methods: each a short function that turns parameters and statistics into a pass.

To add one, write it beside the others (docs/methods.md shows how) and name it in the tuple below.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workers.methods.declare import Bound, Method, Parameter, PerModel, Range, merge_method
from workers.methods.linear import linear, passthrough, task_arithmetic
from workers.methods.passes import (
    Chance,
    ElectedSum,
    Keep,
    LinearCombination,
    MaskedSum,
    Pass,
    Window,
)
from workers.methods.sparse import breadcrumbs, breadcrumbs_ties, dare_linear, dare_ties, ties
from workers.methods.spherical import karcher, multislerp, nuslerp, slerp
from workers.methods.statistics import TensorStatistics
from workers.methods.stock import model_stock

_METHODS = (
    passthrough,
    linear,
    slerp,
    nuslerp,
    multislerp,
    karcher,
    task_arithmetic,
    ties,
    dare_linear,
    dare_ties,
    breadcrumbs,
    breadcrumbs_ties,
    model_stock,
)
METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _METHODS})

__all__ = [
    "METHODS",
    "Bound",
    "Chance",
    "ElectedSum",
    "Keep",
    "LinearCombination",
    "MaskedSum",
    "Method",
    "Parameter",
    "Pass",
    "PerModel",
    "Range",
    "TensorStatistics",
    "Window",
    "merge_method",
]

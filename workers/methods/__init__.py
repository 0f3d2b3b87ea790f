"""Merge methods: each turns parameters and statistics into the pass for a tensor; none has tensors.

To add one, write a function as docs/methods.md shows, and add its name to the tuple below.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workers.methods.linear import linear, passthrough, task_arithmetic
from workers.methods.method import Bound, Method, merge_method
from workers.methods.model_stock import model_stock
from workers.methods.parameter import Parameter, PerModel, Range, as_float, by_model
from workers.methods.passes import (
    ElectedSum,
    LinearCombination,
    MagnitudeMask,
    Mask,
    MaskedSum,
    Pass,
    RandomMask,
)
from workers.methods.sparse import breadcrumbs, breadcrumbs_ties, dare_linear, dare_ties, ties
from workers.methods.spherical import karcher, multislerp, nuslerp, slerp
from workers.methods.tensor_statistics import TensorStatistics

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
    "ElectedSum",
    "LinearCombination",
    "MagnitudeMask",
    "Mask",
    "MaskedSum",
    "Method",
    "Parameter",
    "Pass",
    "PerModel",
    "RandomMask",
    "Range",
    "TensorStatistics",
    "as_float",
    "by_model",
    "merge_method",
]

"""Spherical methods: linear combinations whose coefficients follow from dot products."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from workers.methods.method import merge_method
from workers.methods.parameter import PerModel
from workers.methods.passes import LinearCombination
from workers.methods.ranges import SHARE, T
from workers.methods.tensor_statistics import TensorStatistics

Coefficients = NDArray[np.float64]
"""A vector in terms of the models: the coefficient of each."""
Gram = NDArray[np.float64]
"""Dot products of the models."""

SHOEMAKE = "https://dl.acm.org/doi/10.1145/325334.325242"

_MIN_LENGTH = 1e-8  # shorter vectors count as 0
_MIN_ANGLE = 1e-5  # smaller angles count as 0


@merge_method(
    paper=SHOEMAKE,
    needs_base=False,
    models=(2, 2),
    advice_on_many="; use multislerp or karcher for more than two",
)
def slerp(stats: TensorStatistics, *, t: Annotated[float, T]) -> LinearCombination:
    """Interpolate along the arc from the first model (t = 0) to the second (t = 1).

    With θ the angle between x₁ and x₂: m = sin((1−t)θ)/sin θ · x₁ + sin(tθ)/sin θ · x₂, on the
    tensors as they are, not on unit vectors. Where |cos θ| > 0.9995 the arc is a line and
    m = (1−t)·x₁ + t·x₂. The base is not used, but may be one of the two.

    Same as mergekit, whose base model is the first one here. θ comes from a float64 dot product
    that is computed once.
    """
    gram = stats.gram()
    norms = np.sqrt(np.diag(gram))
    norms[norms <= 1e-8] = 1.0
    cosine = gram[0, 1] / norms.prod()
    if abs(cosine) > 0.9995:  # the sine of the angle is too small to divide by
        return LinearCombination((1.0 - t, t))
    angle = math.acos(cosine)
    return LinearCombination(
        (math.sin((1.0 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle))
    )


@merge_method(
    paper=SHOEMAKE,
    needs_base=False,
    models=(2, 2),
    advice_on_many="; use multislerp or karcher for more than two",
)
def nuslerp(stats: TensorStatistics, *, weight: Annotated[PerModel, SHARE]) -> LinearCombination:
    """Interpolate along the arc by the two models' weights; between task vectors with a base.

    SLERP with t = w₂/(w₁+w₂): between δ₁ and δ₂ with b added if there is a base, else between x₁
    and x₂. The interpolation is linear only where sin θ < 1e-8.

    Same as mergekit with `nuslerp_flatten`. Its row-wise and column-wise variants are not
    supported: its documentation and its code disagree on which is which.
    """
    t = weight[1] / sum(weight)
    gram = _vectors(stats)
    norms = np.sqrt(np.diag(gram)).clip(1e-7)
    angle = math.acos(np.clip(gram[0, 1] / norms.prod(), -1.0, 1.0))
    if abs(math.sin(angle)) < 1e-8:
        return _on_base(stats, np.array([1.0 - t, t]))
    arc = np.array([math.sin((1.0 - t) * angle), math.sin(t * angle)])
    return _on_base(stats, arc / math.sin(angle))


@merge_method(needs_base=False, models=(2, None))
def multislerp(
    stats: TensorStatistics,
    *,
    weight: Annotated[PerModel, SHARE],
    normalize_weights: bool = True,
) -> LinearCombination:
    """Average directions in the tangent plane of the sphere at their mean; lengths linearly.

    With v the task vectors (or the models, without a base), u their unit vectors and p the unit
    vector of Σ wⱼ·uⱼ: τ = Σ wⱼ·(uⱼ − ⟨uⱼ,p⟩·p), r = p·cos‖τ‖ + τ·sin‖τ‖/‖τ‖, and
    m = (b +) r·Σ wⱼ·‖vⱼ‖. This is a linear combination whose coefficients follow from the dot
    products of the v.

    Same as mergekit, except where the directions cancel out: mergekit stops there for more than
    two models, and here the average is linear.
    """
    shares = np.array(weight) / (sum(weight) if normalize_weights else 1.0)
    gram = _vectors(stats)
    norms = np.sqrt(np.diag(gram))
    units = np.diag(1.0 / (norms + _MIN_LENGTH))  # row j: coefficients of unit vector j
    mean = shares @ units
    length = _norm(gram, mean)
    if length < _MIN_LENGTH:  # the directions cancel out: there is no mean direction
        return _on_base(stats, shares)
    mean = mean / length
    tangents = units - np.outer(units @ gram @ mean, mean)
    tangent = shares @ tangents
    angle = _norm(gram, tangent)
    direction = mean * math.cos(angle) + tangent * math.sin(angle) / (angle + _MIN_LENGTH)
    return _on_base(stats, direction * float(shares @ norms))


@merge_method(paper="https://doi.org/10.1002/cpa.3160300502", needs_base=False, models=(2, None))
def karcher(stats: TensorStatistics) -> LinearCombination:
    """Average the models on the sphere: the point with the least sum of squared angles to them.

    The Karcher mean of the models' unit vectors, each with equal weights, times their mean
    length: at most ten steps, until a step is shorter than 1e-5. The base is used only if it is
    listed as a model. Tensors that are zero have no direction and are left out of the mean.

    Same as mergekit; the steps use dot products in float64, not the tensors.
    """
    gram = stats.gram()
    norms = np.sqrt(np.diag(gram))
    nonzero = norms > _MIN_ANGLE
    if not nonzero.any():
        return LinearCombination((0.0,) * stats.n_models)
    units = np.diag(nonzero / np.where(nonzero, norms, 1.0))[nonzero]
    mean = _unit(gram, units.mean(axis=0))
    for _ in range(10):
        cosines = np.clip(units @ gram @ mean, -1.0, 1.0)
        angles = np.arccos(cosines)
        pull = np.where(angles > _MIN_ANGLE, angles / np.sin(angles).clip(_MIN_LENGTH), 0.0) / len(
            units
        )
        tangent = pull @ units - float(pull @ cosines) * mean
        step = _norm(gram, tangent)
        if step < _MIN_ANGLE:
            break
        mean = _unit(gram, mean * math.cos(step) + tangent * math.sin(step) / step)
    return LinearCombination(tuple(map(float, mean * norms.sum() / stats.n_models)))


def _vectors(stats: TensorStatistics) -> Gram:
    """Dot products of the averaged vectors: task vectors if there is a base, else models."""
    return stats.delta_gram() if stats.has_base else stats.gram()


def _on_base(stats: TensorStatistics, of_vectors: Coefficients) -> LinearCombination:
    coefficients = tuple(map(float, of_vectors))
    return LinearCombination(coefficients, base=1.0 - sum(coefficients) if stats.has_base else 0.0)


def _norm(gram: Gram, point: Coefficients) -> float:
    return math.sqrt(max(0.0, float(point @ gram @ point)))


def _unit(gram: Gram, point: Coefficients) -> Coefficients:
    length = _norm(gram, point)
    return point / length if length > _MIN_LENGTH else point

"""Methods that follow the sphere: linear combinations, whose numbers follow from dot products."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from workers.methods.declare import PerModel, merge_method
from workers.methods.passes import LinearCombination
from workers.methods.ranges import SHARE, T
from workers.methods.statistics import TensorStatistics

Vector = NDArray[np.float64]
"""A point in terms of the models: how much of each of them it contains."""

SHOEMAKE = "https://dl.acm.org/doi/10.1145/325334.325242"

_TINY = 1e-8  # below it a length counts as 0
_CLOSE = 1e-5  # and below this an angle


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
    m = (1−t)·x₁ + t·x₂. The base plays no part, but may be one of the two.

    Same as mergekit, whose base model is our first one. θ comes from a float64 dot product that
    is computed once.
    """
    gram = stats.gram()
    norms = np.sqrt(np.diag(gram))
    norms[norms <= 1e-8] = 1.0
    cosine = gram[0, 1] / norms.prod()
    if abs(cosine) > 0.9995:  # the arc is a line, and its sine would divide by nothing
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

    SLERP with t = w₂/(w₁+w₂): with a base of δ₁ and δ₂, and b is added; without one of x₁ and x₂.
    Only where sin θ < 1e-8 does it become a line.

    Same as mergekit with `nuslerp_flatten`. Its row-wise and column-wise variants are not taken
    over: its documentation and its code disagree on which is which.
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
    """Average directions in the plane that touches the sphere at their mean; lengths linearly.

    With v the task vectors (or the models, without a base), u their unit vectors and p the unit
    vector of Σ wⱼ·uⱼ: τ = Σ wⱼ·(uⱼ − ⟨uⱼ,p⟩·p), r = p·cos‖τ‖ + τ·sin‖τ‖/‖τ‖, and
    m = (b +) r·Σ wⱼ·‖vⱼ‖. All of it is a linear combination whose numbers follow from the dot
    products of the v.

    Same as mergekit, except where the directions cancel out: there it stops for more than two
    models, and here the answer is the linear one.
    """
    shares = np.array(weight) / (sum(weight) if normalize_weights else 1.0)
    gram = _vectors(stats)
    norms = np.sqrt(np.diag(gram))
    units = np.diag(1.0 / (norms + _TINY))  # row j: unit vector j in terms of the vectors
    mean = shares @ units
    length = _norm(gram, mean)
    if length < _TINY:  # the directions cancel out: there is no mean to touch
        return _on_base(stats, shares)
    mean = mean / length
    towards = units - np.outer(units @ gram @ mean, mean)
    tangent = shares @ towards
    angle = _norm(gram, tangent)
    direction = mean * math.cos(angle) + tangent * math.sin(angle) / (angle + _TINY)
    return _on_base(stats, direction * float(shares @ norms))


@merge_method(paper="https://doi.org/10.1002/cpa.3160300502", needs_base=False, models=(2, None))
def karcher(stats: TensorStatistics) -> LinearCombination:
    """Average the models on the sphere: the point of least squared angles to all of them.

    The Karcher mean of the models' unit vectors, each with the same share, times their mean
    length: at most ten steps, until one is shorter than 1e-5. The base takes part only if it is
    listed as a model. Tensors that are zero have no direction and are left out of the mean.

    Same as mergekit; the steps are taken on dot products in float64, not on the tensors.
    """
    gram = stats.gram()
    norms = np.sqrt(np.diag(gram))
    there = norms > _CLOSE
    if not there.any():
        return LinearCombination((0.0,) * stats.n_models)
    units = np.diag(there / np.where(there, norms, 1.0))[there]
    mean = _unit(gram, units.mean(axis=0))
    for _ in range(10):
        cosines = np.clip(units @ gram @ mean, -1.0, 1.0)
        angles = np.arccos(cosines)
        pull = np.where(angles > _CLOSE, angles / np.sin(angles).clip(_TINY), 0.0) / len(units)
        tangent = pull @ units - float(pull @ cosines) * mean
        step = _norm(gram, tangent)
        if step < _CLOSE:
            break
        mean = _unit(gram, mean * math.cos(step) + tangent * math.sin(step) / step)
    return LinearCombination(tuple(map(float, mean * norms.sum() / stats.n_models)))


def _vectors(stats: TensorStatistics) -> Vector:
    """Dot products of what is averaged: task vectors where there is a base, else models."""
    return stats.delta_gram() if stats.has_base else stats.gram()


def _on_base(stats: TensorStatistics, of_vectors: Vector) -> LinearCombination:
    coefficients = tuple(map(float, of_vectors))
    return LinearCombination(coefficients, base=1.0 - sum(coefficients) if stats.has_base else 0.0)


def _norm(gram: Vector, point: Vector) -> float:
    return math.sqrt(max(0.0, float(point @ gram @ point)))


def _unit(gram: Vector, point: Vector) -> Vector:
    length = _norm(gram, point)
    return point / length if length > _TINY else point

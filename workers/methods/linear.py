"""Weighted sums of whole models."""

from __future__ import annotations

from typing import Annotated

from workers.methods.method import merge_method
from workers.methods.parameter import PerModel
from workers.methods.passes import LinearCombination
from workers.methods.ranges import LAMBDA, WEIGHT
from workers.methods.tensor_statistics import TensorStatistics


@merge_method(needs_base=False, models=(1, 1), advice_on_many="; linear averages several")
def passthrough(stats: TensorStatistics) -> LinearCombination:
    """Copy one model, or the base.

    m = x₁. The base has the name `base`. mergekit's `scale` is not supported.
    """
    return LinearCombination((1.0,) * stats.n_models)


@merge_method(paper="https://arxiv.org/abs/2203.05482", needs_base=False)
def linear(
    stats: TensorStatistics,  # noqa: ARG001 -- every method has this argument
    *,
    weight: Annotated[PerModel, WEIGHT],
    normalize: bool = True,
) -> LinearCombination:
    """Average the weights of the models: a model soup. A weight of 0 leaves a model out.

    m = Σ wⱼ·xⱼ / Σ wⱼ; without `normalize` there is no division.

    Same as mergekit, except that weights that sum to 0 are an error instead of a division by 0.
    """
    total = sum(weight) if normalize else 1.0
    return LinearCombination(tuple(w / total for w in weight))


@merge_method(paper="https://arxiv.org/abs/2212.04089")
def task_arithmetic(
    stats: TensorStatistics,  # noqa: ARG001 -- every method has this argument
    *,
    weight: Annotated[PerModel, WEIGHT],
    lambda_: Annotated[float, LAMBDA] = 1.0,
    normalize: bool = False,
) -> LinearCombination:
    """Add a weighted sum of the task vectors to the base.

    m = b + λ·Σ wⱼ·δⱼ, computed as (1 − λ·Σ wⱼ)·b + Σ λ·wⱼ·xⱼ: one pass, one rounding. Negative
    weights remove a skill, as in the paper.

    Same as mergekit in float32. mergekit computes in the models' dtype: in bf16 its task
    vector was 11 % off. Here everything is float32 and rounded once.
    """
    scale = lambda_ / (sum(weight) if normalize and any(weight) else 1.0)
    coefficients = tuple(scale * w for w in weight)
    return LinearCombination(coefficients, base=1.0 - sum(coefficients))

"""Model stock: the centre of the models, estimated from the angles between task vectors."""

from __future__ import annotations

import numpy as np

from workers.methods.method import merge_method
from workers.methods.passes import LinearCombination
from workers.methods.tensor_statistics import TensorStatistics

_MIN_DIVISOR = 1e-6  # the accuracy of mergekit's float32 cosines


@merge_method(paper="https://arxiv.org/abs/2403.19522", models=(2, None))
def model_stock(stats: TensorStatistics) -> LinearCombination:
    """Average the models, and move towards the base the more their task vectors disagree.

    With c the mean cosine between pairs of task vectors and N models: r = N·c/(1 + (N−1)·c) and
    m = r·mean(x) + (1−r)·b, per tensor.

    If c < 0, r would be negative or unbounded; then the result is the base. `compat: mergekit`
    keeps mergekit's r, except if 1 + (N−1)·c is 0, as for two opposite task vectors: mergekit
    divides by it, and here the result is the base. The paper has one angle for all pairs; the mean
    of the cosines is mergekit's interpretation. Its `filter_wise` variant is not supported.
    """
    n = stats.n_models
    gram = stats.delta_gram()
    norms = np.sqrt(np.diag(gram))
    pairs = np.triu_indices(n, k=1)
    products = np.outer(norms, norms)[pairs].clip(1e-6 if stats.compat else 1e-30)
    cosine = float((gram[pairs] / products).clip(-1.0, 1.0).mean())
    divisor = 1.0 + (n - 1) * cosine
    if (cosine <= 0.0 and not stats.compat) or divisor < _MIN_DIVISOR:
        return LinearCombination((0.0,) * n, base=1.0)
    ratio = n * cosine / divisor
    return LinearCombination((ratio / n,) * n, base=1.0 - ratio)

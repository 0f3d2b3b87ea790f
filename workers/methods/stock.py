"""Model stock: the centre of the models, estimated from how far apart they point."""

from __future__ import annotations

import numpy as np

from workers.methods.declare import merge_method
from workers.methods.passes import LinearCombination
from workers.methods.statistics import TensorStatistics

_TINY = 1e-6  # mergekit's float32 cosines are no finer than that


@merge_method(paper="https://arxiv.org/abs/2403.19522", models=(2, None))
def model_stock(stats: TensorStatistics) -> LinearCombination:
    """Average the models and go back to the base as far as their task vectors disagree.

    With c the mean cosine between pairs of task vectors and N models: r = N·c/(1 + (N−1)·c) and
    m = r·mean(x) + (1−r)·b, per tensor.

    Where task vectors point apart on average (c < 0) the formula would go to behind the base, or
    without bound; here that gives the base. `compat: mergekit` keeps mergekit's answer, except
    where 1 + (N−1)·c is 0, as for two opposite task vectors: mergekit divides by it, here it is the
    base. The paper has one angle for all pairs; the mean of their cosines is mergekit's reading of
    it. Its `filter_wise` variant is not taken over.
    """
    n = stats.n_models
    gram = stats.delta_gram()
    norms = np.sqrt(np.diag(gram))
    pairs = np.triu_indices(n, k=1)
    products = np.outer(norms, norms)[pairs].clip(1e-6 if stats.compat else 1e-30)
    cosine = float((gram[pairs] / products).clip(-1.0, 1.0).mean())
    divisor = 1.0 + (n - 1) * cosine
    if (cosine <= 0.0 and not stats.compat) or divisor < _TINY:
        return LinearCombination((0.0,) * n, base=1.0)  # mergekit goes to behind the base here
    ratio = n * cosine / divisor
    return LinearCombination((ratio / n,) * n, base=1.0 - ratio)

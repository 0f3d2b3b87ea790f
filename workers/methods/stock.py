"""Model stock: the centre of the models, estimated from how far apart they point."""

from __future__ import annotations

import numpy as np

from workers.methods.declare import merge_method
from workers.methods.passes import LinearCombination
from workers.methods.statistics import TensorStatistics


@merge_method(paper="https://arxiv.org/abs/2403.19522", models=(2, None))
def model_stock(stats: TensorStatistics) -> LinearCombination:
    """Average the models and go back to the base as far as their task vectors disagree."""
    n = stats.n_models
    gram = stats.delta_gram()
    norms = np.sqrt(np.diag(gram))
    pairs = np.triu_indices(n, k=1)
    products = np.outer(norms, norms)[pairs].clip(1e-6 if stats.compat else 1e-30)
    cosine = float((gram[pairs] / products).clip(-1.0, 1.0).mean())
    if cosine <= 0.0 and not stats.compat:
        return LinearCombination((0.0,) * n, base=1.0)  # mergekit goes to behind the base here
    ratio = n * cosine / (1.0 + (n - 1) * cosine)
    return LinearCombination((ratio / n,) * n, base=1.0 - ratio)

"""Methods that keep only a part of each task vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from workers.methods.declare import PerModel, merge_method
from workers.methods.passes import Chance, ElectedSum, MaskedSum, Window
from workers.methods.ranges import DENSITY, GAMMA, LAMBDA, SHARE, WEIGHT
from workers.methods.statistics import TensorStatistics


@merge_method(paper="https://arxiv.org/abs/2306.01708")
def ties(
    stats: TensorStatistics,
    *,
    weight: Annotated[PerModel, SHARE],
    density: Annotated[PerModel, DENSITY],
    lambda_: Annotated[float, LAMBDA] = 1.0,
    normalize: bool = True,
) -> ElectedSum:
    """Trim each task vector, elect one sign per entry, and average those that agree."""
    trimmed = Window(stats.magnitude(density), (math.inf,) * stats.n_models)
    return ElectedSum(tuple(weight), trimmed, scale=lambda_, normalise=normalize)


@merge_method(paper="https://arxiv.org/abs/2311.03099")
def dare_linear(
    stats: TensorStatistics,
    *,
    weight: Annotated[PerModel, WEIGHT],
    density: Annotated[PerModel, DENSITY],
    lambda_: Annotated[float, LAMBDA] = 1.0,
    normalize: bool = False,
) -> MaskedSum:
    """Drop entries of each task vector at random, rescale the rest, and add them to the base."""
    scale = lambda_ / (sum(weight) if normalize and any(weight) else 1.0)
    rescaled = zip(weight, _rescale(stats, density), strict=True)
    return MaskedSum(
        tuple(scale * w * r for w, r in rescaled), Chance(tuple(density)), _match(stats)
    )


@merge_method(paper="https://arxiv.org/abs/2311.03099")
def dare_ties(
    stats: TensorStatistics,
    *,
    weight: Annotated[PerModel, SHARE],
    density: Annotated[PerModel, DENSITY],
    lambda_: Annotated[float, LAMBDA] = 1.0,
    normalize: bool = False,
) -> ElectedSum:
    """Drop entries of each task vector at random, then elect one sign per entry as TIES does."""
    return ElectedSum(
        tuple(weight),
        Chance(tuple(density)),
        factors=_rescale(stats, density),
        scale=lambda_,
        normalise=normalize,
        match_l1=_match(stats),
    )


@merge_method(paper="https://arxiv.org/abs/2312.06795")
def breadcrumbs(
    stats: TensorStatistics,
    *,
    weight: Annotated[PerModel, WEIGHT],
    density: Annotated[PerModel, DENSITY],
    gamma: Annotated[PerModel, GAMMA] = (0.01,),
    lambda_: Annotated[float, LAMBDA] = 1.0,
    normalize: bool = False,
) -> MaskedSum:
    """Drop the smallest and a few of the largest entries of each task vector; add up the rest."""
    scale = lambda_ / (sum(weight) if normalize and any(weight) else 1.0)
    return MaskedSum(tuple(scale * w for w in weight), _crumbs(stats, density, gamma))


@merge_method(paper="https://arxiv.org/abs/2312.06795")
def breadcrumbs_ties(
    stats: TensorStatistics,
    *,
    weight: Annotated[PerModel, SHARE],
    density: Annotated[PerModel, DENSITY],
    gamma: Annotated[PerModel, GAMMA] = (0.01,),
    lambda_: Annotated[float, LAMBDA] = 1.0,
    normalize: bool = False,
) -> ElectedSum:
    """Trim both ends of each task vector, then elect one sign per entry as TIES does."""
    kept = _crumbs(stats, density, gamma)
    return ElectedSum(tuple(weight), kept, scale=lambda_, normalise=normalize)


def _crumbs(stats: TensorStatistics, density: Sequence[float], gamma: Sequence[float]) -> Window:
    """Keeps `density` of the entries, and not the `gamma` largest as far as others are left."""
    n = stats.size
    kept = [n if d >= 1.0 else max(1, int(d * n)) for d in density]
    dropped_above = [min(int(g * n), n - k) for g, k in zip(gamma, kept, strict=True)]
    most = stats.largest([above + 1 for above in dropped_above])
    least = stats.largest([above + k for above, k in zip(dropped_above, kept, strict=True)])
    return Window(
        tuple(value if k < n else 0.0 for value, k in zip(least, kept, strict=True)),
        tuple(value if d else math.inf for value, d in zip(most, dropped_above, strict=True)),
    )


def _rescale(stats: TensorStatistics, density: Sequence[float]) -> tuple[float, ...]:
    """DARE keeps the expected value of each entry; mergekit the norm of the whole instead."""
    return tuple(1.0 if stats.compat else 1.0 / d for d in density)


def _match(stats: TensorStatistics) -> tuple[float, ...] | None:
    return stats.l1() if stats.compat else None

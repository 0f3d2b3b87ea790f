"""Methods that keep only a part of each task vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from workers.methods.method import merge_method
from workers.methods.parameter import PerModel
from workers.methods.passes import ElectedSum, MagnitudeMask, MaskedSum, RandomMask
from workers.methods.ranges import DENSITY, GAMMA, LAMBDA, SHARE, WEIGHT
from workers.methods.tensor_statistics import TensorStatistics


@merge_method(paper="https://arxiv.org/abs/2306.01708")
def ties(
    stats: TensorStatistics,
    *,
    weight: Annotated[PerModel, SHARE],
    density: Annotated[PerModel, DENSITY],
    lambda_: Annotated[float, LAMBDA] = 1.0,
    normalize: bool = True,
) -> ElectedSum:
    """Trim each task vector, elect one sign per entry, and average those that agree.

    Of δⱼ the density·n largest magnitudes of this tensor are kept. For each entry, with
    vⱼ = wⱼ·δⱼ where kept: s = sign(Σ vⱼ), 0 counting as positive, and
    m = b + λ·Σ vⱼ / Σ wⱼ over the j whose vⱼ has sign s. Without `normalize` there is no
    division.

    Same as mergekit, except that all entries that tie at the threshold are kept: bf16 task vectors
    have few distinct magnitudes, so 0.4 % of the entries tie on average, and mergekit picks among
    them by an unstable sort. At least one entry is kept, where mergekit stops. The paper
    trims over the whole model, elects and averages without weights, and tunes λ. Trimming per
    tensor keeps entries of tensors with small magnitudes, and λ is searched here.
    """
    mask = MagnitudeMask(stats.magnitude(density), (math.inf,) * stats.n_models)
    return ElectedSum(tuple(weight), mask, scale=lambda_, normalise=normalize)


@merge_method(paper="https://arxiv.org/abs/2311.03099")
def dare_linear(
    stats: TensorStatistics,
    *,
    weight: Annotated[PerModel, WEIGHT],
    density: Annotated[PerModel, DENSITY],
    lambda_: Annotated[float, LAMBDA] = 1.0,
    normalize: bool = False,
) -> MaskedSum:
    """Drop entries of each task vector at random, rescale the rest, and add them to the base.

    m = b + λ·Σ wⱼ·δⱼ/ρⱼ over the entries that a mask keeps, each with probability ρⱼ = density.

    The factor 1/ρ = 1/(1−p) is the paper's. mergekit (since 0.1) scales the kept entries to the
    L1 norm of all entries instead, and so does `compat: mergekit`, which reads each model twice.
    Masks come from a hash, not from a generator: they are the same in every worker and at export,
    and nested, so that density is smooth to search. They are not mergekit's masks, which differ
    between runs and devices.
    """
    scale = lambda_ / (sum(weight) if normalize and any(weight) else 1.0)
    rescaled = zip(weight, _rescale(stats, density), strict=True)
    return MaskedSum(
        tuple(scale * w * r for w, r in rescaled), RandomMask(tuple(density)), _l1_to_match(stats)
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
    """Drop entries of each task vector at random, then elect one sign per entry as TIES does.

    With vⱼ = wⱼ·δⱼ/ρⱼ where a mask keeps the entry, else 0: s = sign(Σ vⱼ), and m = b + λ·Σ vⱼ
    over the j whose vⱼ has sign s; divided by the sum of their wⱼ with `normalize`.

    For 1/ρ, `compat: mergekit` and masks see dare_linear. The DARE paper applies TIES without
    weights after the drop; here the weights are used as in mergekit.
    """
    return ElectedSum(
        tuple(weight),
        RandomMask(tuple(density)),
        factors=_rescale(stats, density),
        scale=lambda_,
        normalise=normalize,
        match_l1=_l1_to_match(stats),
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
    """Drop the smallest and a few of the largest entries of each task vector; add up the rest.

    m = b + λ·Σ wⱼ·δⱼ over the entries kept: of n, the int(γ·n) largest magnitudes are dropped
    (γ = gamma, the paper's β), but only as many as leave density·n others, then the smallest, until
    density·n are left.

    Same as mergekit 0.1.5, except that all entries that tie at the thresholds are kept. Before
    0.1.5 mergekit zeroed every tensor with γ·n < 1, which is not reproduced.
    """
    scale = lambda_ / (sum(weight) if normalize and any(weight) else 1.0)
    return MaskedSum(tuple(scale * w for w in weight), _breadcrumbs_mask(stats, density, gamma))


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
    """Trim both ends of each task vector, then elect one sign per entry as TIES does.

    The mask is that of breadcrumbs, the election and the sum those of ties, with `normalize` off by
    default.

    Same as mergekit 0.1.5, except that all entries that tie at the thresholds are kept. The paper
    has no election.
    """
    mask = _breadcrumbs_mask(stats, density, gamma)
    return ElectedSum(tuple(weight), mask, scale=lambda_, normalise=normalize)


def _breadcrumbs_mask(
    stats: TensorStatistics, density: Sequence[float], gamma: Sequence[float]
) -> MagnitudeMask:
    """Keeps `density` of the entries, without the `gamma` largest if enough others remain."""
    n = stats.size
    kept = [n if d >= 1.0 else max(1, int(d * n)) for d in density]
    dropped_above = [min(int(g * n), n - k) for g, k in zip(gamma, kept, strict=True)]
    most = stats.largest([above + 1 for above in dropped_above])
    least = stats.largest([above + k for above, k in zip(dropped_above, kept, strict=True)])
    return MagnitudeMask(
        tuple(value if k < n else 0.0 for value, k in zip(least, kept, strict=True)),
        tuple(value if d else math.inf for value, d in zip(most, dropped_above, strict=True)),
    )


def _rescale(stats: TensorStatistics, density: Sequence[float]) -> tuple[float, ...]:
    """DARE's factors, which keep expected values; 1 for mergekit, which keeps the L1 norm."""
    return tuple(1.0 if stats.compat else 1.0 / d for d in density)


def _l1_to_match(stats: TensorStatistics) -> tuple[float, ...] | None:
    return stats.l1() if stats.compat else None

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
    """Trim each task vector, elect one sign per entry, and average those that agree.

    Of δⱼ the density·n largest magnitudes of this tensor are kept. For each entry, with
    vⱼ = wⱼ·δⱼ where kept: s = sign(Σ vⱼ), 0 counting as positive, and
    m = b + λ·Σ vⱼ / Σ wⱼ over the j whose vⱼ has sign s. Without `normalize` the division falls
    away.

    Same as mergekit, except that all entries that tie at the threshold are kept: bf16 task vectors
    lie on a coarse lattice, where ties are 0.4 % on average, and mergekit picks among them by an
    unstable sort. At least one entry is kept, where mergekit stops. The paper trims over the whole
    model at once, elects and averages without weights, and tunes λ; per tensor is what keeps
    small tensors alive, and λ is searched here.
    """
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
    """Drop entries of each task vector at random, rescale the rest, and add them to the base.

    m = b + λ·Σ wⱼ·δⱼ/ρⱼ over the entries that a mask keeps, each with probability ρⱼ = density.

    The factor 1/ρ = 1/(1−p) is the paper's. mergekit (from 0.1 on) scales what is left to the L1
    norm of the whole instead, which `compat: mergekit` gives (at the price of one more reading).
    Masks come from a hash, not from a generator: the same in every worker and at export, and
    nested, so that density is smooth to search. They are not mergekit's masks, which differ from
    run to run and device to device.
    """
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
    """Drop entries of each task vector at random, then elect one sign per entry as TIES does.

    With vⱼ = wⱼ·δⱼ/ρⱼ where a mask keeps the entry, else 0: s = sign(Σ vⱼ), and m = b + λ·Σ vⱼ
    over the j whose vⱼ has sign s; divided by the sum of their wⱼ with `normalize`.

    On 1/ρ, `compat: mergekit` and masks see dare_linear. The DARE paper puts TIES behind the drop
    without weights; both are as in mergekit.
    """
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
    """Drop the smallest and a few of the largest entries of each task vector; add up the rest.

    m = b + λ·Σ wⱼ·δⱼ over the entries kept: of n, the int(γ·n) largest magnitudes are left out
    (γ = gamma, the paper's β) as far as density·n others remain, then the smallest, until
    density·n are left.

    Same as mergekit 0.1.5, ties at the thresholds aside: all of them are kept. Before 0.1.5
    mergekit zeroed every tensor with γ·n < 1, which is not reproduced.
    """
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
    """Trim both ends of each task vector, then elect one sign per entry as TIES does.

    Keeps as breadcrumbs does, elects and adds up as ties does, with `normalize` off by default.

    Same as mergekit 0.1.5, ties at the thresholds aside. The paper has no election.
    """
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

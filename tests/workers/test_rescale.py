"""DARE as mergekit rescales it, against plain numpy: its masks are random, so no vectors store it.

What mergekit does is in its `sparsify.py`: what is kept of a task vector is multiplied by the L1
norm of the whole, divided by the L1 norm of what is kept.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from workers.merging import masks
from workers.merging.rescale import match_l1
from workers.methods import ElectedSum, MaskedSum, RandomMask
from workers.recipe import Group, Recipe

N = 70_001
SEED = 7
WEIGHT, DENSITY = {"x": 0.6, "y": -0.4, "z": 1.1}, {"x": 0.3, "y": 0.7, "z": 1.0}
SHARE = {"x": 0.6, "y": 0.4, "z": 1.1}
LAMBDA = 0.8


def mask(model: str, density: float) -> np.ndarray:
    """The formula of docs/merging.md, in unsigned words."""
    text = f"{SEED}\0{model}\0weight".encode()
    key = hashlib.blake2b(text, digest_size=8, person=b"mergefront mask").digest()
    before, between = np.frombuffer(key, "<u4")
    x = np.arange(N, dtype=np.uint32) + before
    x ^= x >> 16
    x *= np.uint32(0x7FEB352D)
    x ^= between
    x ^= x >> 15
    x *= np.uint32(0x846CA68B)
    return x.view(np.int32) < max(1, round(density * 2**32)) - 2**31


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    random = np.random.default_rng(4)
    base = random.normal(size=N).astype(np.float32)
    moved = {n: base + 0.1 * random.standard_t(2, size=N).astype(np.float32) for n in DENSITY}
    return {"base": base, **moved}


@pytest.fixture(scope="module")
def kept(rows) -> dict[str, np.ndarray]:
    """What is kept of each task vector, with its L1 norm back, in float64."""
    found = {}
    for name, density in DENSITY.items():
        delta = rows[name].astype(np.float64) - rows["base"]
        left = np.where(mask(name, density), delta, 0.0)
        found[name] = left * (np.abs(delta).sum() / np.abs(left).sum())
    return found


def merged(method: str, weight, rows, engine_of, source_of, **more) -> torch.Tensor:
    engine = engine_of({n: rows[n].tolist() for n in DENSITY}, base=rows["base"].tolist())
    recipe = Recipe(
        method,
        {name: source_of(name) for name in DENSITY},
        (Group({"weight": weight, "density": DENSITY, "lambda": LAMBDA, **more}),),
        base=source_of("base"),
        seed=SEED,
        compat="mergekit",
    )
    return engine.merge(recipe, "weight")


def test_dare_linear_gives_each_kept_part_the_norm_of_the_whole(rows, kept, engine_of, source_of):
    added = sum(WEIGHT[name] * part for name, part in kept.items())
    expected = torch.from_numpy(rows["base"] + LAMBDA * added).float()
    found = merged("dare_linear", WEIGHT, rows, engine_of, source_of)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
def test_dare_ties_elects_among_parts_with_the_norm_of_the_whole(
    normalize, rows, kept, engine_of, source_of
):
    votes = np.stack([SHARE[name] * part for name, part in kept.items()])
    agrees = votes * np.where(votes.sum(0) >= 0, 1, -1) > 0
    added = np.where(agrees, votes, 0.0).sum(0)
    if normalize:
        share = np.where(agrees, np.array(list(SHARE.values()))[:, None], 0.0).sum(0)
        added = np.divide(added, share, out=np.zeros(N), where=share > 0)
    expected = torch.from_numpy(rows["base"] + LAMBDA * added).float()
    found = merged("dare_ties", SHARE, rows, engine_of, source_of, normalize=normalize)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [MaskedSum, ElectedSum])
def test_the_factor_is_the_ratio_of_the_norms(kind, rows):
    names = list(DENSITY)
    deltas = [rows[name] - rows["base"] for name in names]
    norms = tuple(float(np.abs(delta).sum(dtype=np.float64)) for delta in deltas)
    plan = kind(tuple(WEIGHT.values()), RandomMask(tuple(DENSITY.values())), match_l1=norms)
    keys = [masks.key(SEED, name, "weight") for name in names]
    tensors = {name: torch.from_numpy(row) for name, row in rows.items()}
    found = match_l1(plan, keys, lambda j: (tensors["base"], tensors[names[j]]))
    expected = [
        norm / np.abs(delta[mask(name, DENSITY[name])]).sum(dtype=np.float64)
        for name, delta, norm in zip(names, deltas, norms, strict=True)
    ]
    assert all(factor > 1.2 for factor in expected[:2])
    assert expected[2] == 1.0
    if isinstance(found, ElectedSum):
        assert found.factors == pytest.approx(expected, rel=1e-12)
    else:
        of_weights = [w * e for w, e in zip(WEIGHT.values(), expected, strict=True)]
        assert found.coefficients == pytest.approx(of_weights, rel=1e-12)

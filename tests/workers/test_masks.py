"""Masks: the documented formula, the keep rate, nesting, independence."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workers.merging import masks

N = 1 << 18


def mask(density: float, seed: int = 0, model: str = "a", tensor: str = "w", start: int = 0):
    integers = (*masks.key(seed, model, tensor), masks.limit(density))
    words = masks.MaskWords(*(torch.tensor(each, dtype=torch.int32) for each in integers))
    index = torch.arange(N, dtype=torch.int32) + masks.wrapped(start)
    return masks.kept(index, words, None, None, None)


def by_hand(density: float, seed: int, model: str, tensor: str, element: int) -> bool:
    """docs/merging.md, word for word."""
    text = f"{seed}\0{model}\0{tensor}".encode()
    digest = hashlib.blake2b(text, digest_size=8, person=b"mergefront mask").digest()
    before, between = np.frombuffer(digest, "<u4").tolist()
    x = (element + before) % 2**32
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= between
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    signed = x - 2**32 if x >= 2**31 else x
    return signed < max(1, round(density * 2**32)) - 2**31


@given(
    density=st.floats(1e-6, 1.0),
    seed=st.integers(0, 2**40),
    start=st.sampled_from([0, 1, 2**31 - 3, 2**32 - 2]),
)
def test_masks_follow_the_documented_formula(density, seed, start):
    ours = mask(density, seed, "modèle", "layers.0.weight", start)[:8].tolist()
    assert ours == [
        by_hand(density, seed, "modèle", "layers.0.weight", start + i) for i in range(8)
    ]


@pytest.mark.parametrize("density", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_as_many_are_kept_as_the_density_says(density):
    rates = [mask(density, seed).float().mean().item() for seed in range(8)]
    spread = (density * (1 - density) / N) ** 0.5
    assert abs(np.mean(rates) - density) < 4 * spread / 8**0.5
    assert np.abs(np.array(rates) - density).max() < 5 * spread


def test_density_one_keeps_everything():
    assert mask(1.0).all()


def test_a_lower_density_keeps_a_part_of_what_a_higher_one_keeps():
    for low, high in ((0.1, 0.2), (0.5, 0.50001), (0.9, 1.0)):
        assert not (mask(low) & ~mask(high)).any()


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"model": "b"}, {"tensor": "v"}, {"start": 1}, {"start": 2048}],
    ids=str,
)
def test_masks_of_other_models_tensors_seeds_and_places_are_independent(other):
    for density in (0.1, 0.5):
        a, b = mask(density).double(), mask(density, **other).double()
        correlation = ((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std())
        assert abs(correlation) < 5 / N**0.5


def test_neighbours_within_a_mask_are_independent():
    kept = mask(0.5).double() - 0.5
    for lag in (1, 2, 3, 64, 4096):
        assert abs((kept[lag:] * kept[:-lag]).mean() * 4) < 5 / N**0.5

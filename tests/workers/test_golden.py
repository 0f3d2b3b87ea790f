"""The published vectors: mergekit 0.1.5 in float32, six decimals."""

from __future__ import annotations

import pytest
import torch

from workers.merging import MergeSettings
from workers.recipe import Group, Recipe

BASE = [[0, 1, -1], [2, -2, 0.5]]
MODELS = {
    "x": [[0.4, 0.9, -0.95], [1.7, -1.8, 1.1]],
    "y": [[0.1, 1.3, -1.2], [2.5, -1.75, 0.1]],
    "z": [[-0.6, 1.15, -0.9], [2.05, -2.35, 1.2]],
}
WEIGHT = {"x": 0.6, "y": 0.4, "z": 0.5}

CASES = {
    "linear": (
        "linear",
        {"weight": WEIGHT},
        [[-0.013333, 1.09, -1.0], [2.03, -1.97, 0.866667]],
    ),
    "slerp": (
        "slerp",
        {"t": 0.3},
        [[0.314658, 1.038538, -1.043276], [1.975348, -1.815704, 0.811497]],
    ),
    "task_arithmetic": (
        "task_arithmetic",
        {"weight": WEIGHT, "lambda": 0.5},
        [[-0.01, 1.0675, -1.0], [2.0225, -1.9775, 0.775]],
    ),
    "ties": (
        "ties",
        {"weight": WEIGHT, "density": 0.5},
        [[-0.6, 1.3, -1.0], [2.5, -2.35, 1.145455]],
    ),
    "ties, sums": (
        "ties",
        {"weight": WEIGHT, "density": 0.5, "normalize": False},
        [[-0.3, 1.12, -1.0], [2.2, -2.175, 1.21]],
    ),
    "dare_ties, everything kept": (
        "dare_ties",
        {"weight": WEIGHT, "density": 1.0},
        [[-0.3, 1.195, -0.92], [2.225, -1.78, 1.21]],
    ),
    "breadcrumbs_ties": (
        "breadcrumbs_ties",
        {"weight": WEIGHT, "density": 0.5, "gamma": 0.2},
        [[-0.3, 1.195, -1.0], [1.82, -1.78, 0.34]],
    ),
    "model_stock": (
        "model_stock",
        {},
        [[0.077174, 0.729892, -0.961413], [1.807065, -2.077174, -0.194565]],
    ),
}
TAKEN = {"slerp": ("x", "y")}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_published_vector(case, engine_of, source_of):
    method, parameters, expected = CASES[case]
    engine = engine_of(MODELS, base=BASE, settings=MergeSettings(mode="eager"))
    recipe = Recipe(
        method=method,
        models={name: source_of(name) for name in TAKEN.get(method, MODELS)},
        base=source_of("base"),
        groups=(Group(parameters),),
        compat="mergekit" if method == "model_stock" else None,
    )
    torch.testing.assert_close(
        engine.merge(recipe, "weight"), torch.tensor(expected), atol=2e-6, rtol=0
    )

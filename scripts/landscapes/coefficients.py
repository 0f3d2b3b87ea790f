"""The numbers of a recipe that determine its merge, in the same form for every method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workers.recipe import Recipe


def coefficients(recipe: Recipe, n_layers: int) -> dict[str, np.ndarray]:
    """Weights times scale, shape (layers, models), and densities, shape (models,)."""
    rows = [_parameters(recipe, layer) for layer in range(n_layers)]
    names = sorted(recipe.models)
    weights = np.array([[row["weight"][name] for name in names] for row in rows])
    scale = np.array([row.get("lambda", 1.0) for row in rows])
    if recipe.method in ("linear", "ties"):  # they normalise weights
        weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)
    density = [rows[0].get("density", dict.fromkeys(names, 1.0))[name] for name in names]
    return {"weights": weights * scale[:, None], "density": np.array(density)}


def _parameters(recipe: Recipe, layer: int) -> Mapping[str, Any]:
    return next(g.parameters for g in recipe.groups if g.covers(layer, "mlp", ""))

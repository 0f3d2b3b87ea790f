"""Makes tests/workers/golden/mergekit.npz: random merges by mergekit 0.1.5, in float32.

Runs in an environment of its own, never in mergefront's:

    python -m venv ENV && ENV/bin/pip install mergekit==0.1.5
    ENV/bin/python scripts/golden_mergekit.py tests/workers/golden/mergekit.npz

Each case stores the tensors that went in, the method, its parameters and what came out. Shapes,
sizes, weights and densities are drawn from a fixed seed; some entries of the models are equal to
the base's on purpose, since there a method's rules differ. No tensor has fewer than four entries:
where a density leaves less than one, mergekit keeps none or stops, and mergefront keeps one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mergekit
import numpy as np
import torch
from mergekit.merge_methods import merge_tensors

CASES = 24
"""Of each method."""


def draw(rng: np.random.Generator) -> np.ndarray:
    """A base (row 0) and two to four models, (models, rows, columns)."""
    shape = (
        tuple(rng.integers(2, 12, size=2)) if rng.random() < 0.7 else (int(rng.integers(8, 90)),)
    )
    count = int(rng.integers(3, 6))
    base = rng.normal(size=shape)
    spread = rng.choice([1.0, 0.1, 0.01])
    models = [base + spread * rng.normal(size=shape) for _ in range(count - 1)]
    tensors = np.stack([base, *models]).astype(np.float32)
    flat = tensors.reshape(count, -1)
    kind = rng.random(flat.shape[1])
    flat[1:, kind < 0.1] = flat[0, kind < 0.1]  # untouched by all
    flat[1, (kind >= 0.1) & (kind < 0.2)] = flat[0, (kind >= 0.1) & (kind < 0.2)]  # by one
    return tensors


def parameters(method: str, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Parameters for `count` models, by mergekit's names."""
    weight = [round(float(w), 3) for w in rng.uniform(0.1, 1.5, count)]
    density = [round(float(d), 2) for d in rng.uniform(0.35, 1.0, count)]
    scale = round(float(rng.uniform(0.3, 2.0)), 3)
    normalize = bool(rng.random() < 0.5)
    task = {"weight": weight, "lambda": scale, "normalize": normalize}
    return {
        "linear": {"weight": weight, "normalize": normalize},
        "slerp": {"t": round(float(rng.uniform(0, 1)), 3)},
        "nuslerp": {"weight": weight},
        "multislerp": {"weight": weight, "normalize_weights": True},
        "karcher": {},
        "task_arithmetic": task,
        "ties": {**task, "density": density},
        "dare_linear": {**task, "density": [1.0] * count},
        "dare_ties": {**task, "density": [1.0] * count},
        "breadcrumbs": {**task, "density": density, "gamma": [0.05] * count},
        "breadcrumbs_ties": {**task, "density": density, "gamma": [0.05] * count},
        "model_stock": {},
    }[method]


METHODS = {  # how many models, and whether the base goes in
    "linear": (None, (False,)),
    "slerp": (2, (False,)),
    "nuslerp": (2, (False, True)),
    "multislerp": (None, (False, True)),
    "karcher": (None, (False,)),
    "task_arithmetic": (None, (True,)),
    "ties": (None, (True,)),
    "dare_linear": (None, (True,)),
    "dare_ties": (None, (True,)),
    "breadcrumbs": (None, (True,)),
    "breadcrumbs_ties": (None, (True,)),
    "model_stock": (None, (True,)),
}


def case(method: str, rng: np.random.Generator) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """One merge: how it was asked for, its tensors, its result."""
    most, bases = METHODS[method]
    tensors = draw(rng)
    with_base = bool(rng.choice(bases))
    models = tensors[1 : 1 + most] if most else tensors[1:]
    given = parameters(method, len(models), rng)
    entering = [torch.from_numpy(tensor.copy()) for tensor in models]
    index = None
    if with_base:
        entering.insert(0, torch.from_numpy(tensors[0].copy()))
        index = 0
    elif method == "slerp":
        index = 0
    merged = merge_tensors(entering, method, parameters=given, base_index=index)
    about = {"method": method, "parameters": given, "base": with_base}
    return about, tensors[: 1 + len(models)], merged.numpy()


def main(out: Path) -> None:
    """Writes all cases."""
    rng = np.random.default_rng(20)
    arrays: dict[str, np.ndarray] = {}
    about = []
    for method in METHODS:
        for _ in range(CASES):
            asked, tensors, merged = case(method, rng)
            if not np.isfinite(merged).all():
                continue
            arrays[f"in{len(about)}"], arrays[f"out{len(about)}"] = tensors, merged
            about.append(asked)
    header = json.dumps({"mergekit": getattr(mergekit, "__version__", "0.1.5"), "cases": about})
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, header=np.array(header), **arrays)
    print(f"{out}: {len(about)} cases, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

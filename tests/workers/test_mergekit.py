"""Every shared method agrees with mergekit 0.1.5 on random tensors (scripts/golden_mergekit.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from workers.checkpoint import open_checkpoint
from workers.merging import Engine, MergeSettings
from workers.methods import METHODS
from workers.recipe import Group, Recipe, Source

STORED = np.load(Path(__file__).parent / "golden" / "mergekit.npz")
CASES = json.loads(str(STORED["header"]))["cases"]
OURS = {"passthrough"}
"""Methods that need no peer: what they do is one line."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory) -> dict[int, Engine]:
    """One engine for each number of models; a case is a tensor of its checkpoints."""
    built = {}
    for count in (2, 3, 4):
        folder = tmp_path_factory.mktemp(f"models{count}")
        mine = [i for i in range(len(CASES)) if len(STORED[f"in{i}"]) == count + 1]
        names = ["base", *(f"m{j}" for j in range(count))]
        rows = {
            name: {f"t{i}": torch.from_numpy(STORED[f"in{i}"][j]) for i in mine}
            for j, name in enumerate(names)
        }
        built[count] = make_engine(folder, rows)
    return built


def make_engine(folder: Path, rows: dict[str, dict[str, torch.Tensor]]) -> Engine:
    opened = {}
    for name, tensors in rows.items():
        (folder / name).mkdir()
        save_file(
            {k: v.contiguous() for k, v in tensors.items()}, folder / name / "model.safetensors"
        )
        (folder / name / "config.json").write_text('{"num_hidden_layers": 1}')
        opened[name] = open_checkpoint(Source(str(folder / name)))
    base = opened.pop("base")
    return Engine(opened, base, settings=MergeSettings(mode="eager", cache=folder / "cache"))


def ours(engines: dict[int, Engine], i: int) -> torch.Tensor:
    case, count = CASES[i], len(STORED[f"in{i}"]) - 1
    names = [f"m{j}" for j in range(count)]
    parameters = {
        name: dict(zip(names, value, strict=True)) if isinstance(value, list) else value
        for name, value in case["parameters"].items()
    }
    recipe = Recipe(
        method=case["method"],
        models={name: Source(name) for name in names},
        base=Source("base") if case["base"] else None,
        groups=(Group(parameters),),
        compat="mergekit",
    )
    return engines[count].merge(recipe, f"t{i}")


@pytest.mark.parametrize("method", sorted({case["method"] for case in CASES}))
def test_agrees_with_mergekit(method, engines):
    for i, case in enumerate(CASES):
        if case["method"] == method:
            expected = torch.from_numpy(STORED[f"out{i}"])
            torch.testing.assert_close(
                ours(engines, i),
                expected,
                rtol=2e-5,
                atol=2e-6,
                msg=lambda m, i=i: f"case {i}: {m}",
            )


def test_no_method_is_without_stored_cases():
    assert {case["method"] for case in CASES} == set(METHODS) - OURS

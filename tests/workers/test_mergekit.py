"""Every shared method agrees with mergekit 0.1.5 on random tensors (scripts/golden_mergekit.py)."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from workers.checkpoint import open_checkpoint
from workers.merging import Engine, MergeSettings
from workers.methods import METHODS
from workers.recipe import Group, Recipe, Source

STORED = np.load(Path(__file__).parent / "golden" / "mergekit.npz")
CASES = json.loads(str(STORED["header"]))["cases"]
ELEMENTWISE = {"linear", "task_arithmetic", "dare_linear", "dare_ties"}
"""Methods that compute each entry of a tensor from that entry alone; DARE does at density 1."""
NOT_COMPARED = {"passthrough"}
"""Methods without stored results of mergekit."""


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


def make_engine(folder: Path, rows: dict[str, dict[str, torch.Tensor]], **more: Any) -> Engine:
    opened = {}
    for name, tensors in rows.items():
        (folder / name).mkdir()
        save_file(
            {k: v.contiguous() for k, v in tensors.items()}, folder / name / "model.safetensors"
        )
        (folder / name / "config.json").write_text('{"num_hidden_layers": 1}')
        opened[name] = open_checkpoint(Source(str(folder / name)))
    base = opened.pop("base")
    cache = folder / "cache"
    return Engine(opened, base, settings=MergeSettings(mode="eager", cache=cache, **more))


def ours(engine: Engine, i: int) -> torch.Tensor:
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
    return engine.merge(recipe, f"t{i}")


@pytest.mark.parametrize("method", sorted({case["method"] for case in CASES}))
def test_agrees_with_mergekit(method, engines):
    for i, case in enumerate(CASES):
        if case["method"] == method:
            expected = torch.from_numpy(STORED[f"out{i}"])
            torch.testing.assert_close(
                ours(engines[len(STORED[f"in{i}"]) - 1], i),
                expected,
                rtol=2e-5,
                atol=2e-6,
                msg=lambda m, i=i: f"case {i}: {m}",
            )


@given(
    case=st.sampled_from(range(len(CASES))),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.0, 1.0),
    chunk=st.integers(1, 200),
    threads=st.integers(1, 3),
)
def test_agrees_with_mergekit_on_any_entries_in_any_order_and_chunks(
    case, seed, share, chunk, threads
):
    """Entries of a tensor can be shuffled; an elementwise method is as right on a few of them."""
    stored, expected = STORED[f"in{case}"], STORED[f"out{case}"].reshape(-1)
    rows = stored.reshape(len(stored), -1)
    order = np.random.default_rng(seed).permutation(rows.shape[1])
    if CASES[case]["method"] in ELEMENTWISE:
        order = order[: max(1, int(share * len(order)))]
    names = ["base", *(f"m{j}" for j in range(len(rows) - 1))]
    tensors = {
        name: {f"t{case}": torch.from_numpy(row[order])}
        for name, row in zip(names, rows, strict=True)
    }
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(
            Path(folder), tensors, chunk=chunk, threads=threads, statistics="asked"
        )
        found = ours(engine, case)
    torch.testing.assert_close(found, torch.from_numpy(expected[order]), rtol=2e-5, atol=2e-6)


def test_no_method_is_without_stored_cases():
    assert {case["method"] for case in CASES} == set(METHODS) - NOT_COMPARED

"""Statistics: right, the same for any number of threads, computed once and shared."""

from __future__ import annotations

import multiprocessing
import os
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workers.merging import MergeSettings, cache, tables
from workers.merging.recipe_statistics import RecipeStatistics
from workers.merging.reduction import BLOCK, Sum
from workers.merging.statistics import compute_statistics
from workers.merging.tables import build_table
from workers.recipe import Group, Recipe

SIZE = 3 * BLOCK + 17


def tensors(dtype: torch.dtype, size: int = SIZE) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    base = torch.randn(size, generator=random)
    models = [base + 0.01 * torch.randn(size, generator=random) for _ in range(3)]
    return [tensor.to(dtype) for tensor in (base, *models)]


def statistics_of(rows, threads=1, **extra):
    named = {"t": rows} | extra
    labels = ("base", "a", "b", "c")
    return compute_statistics(
        list(named), lambda t: dict(zip(labels, named[t], strict=True)), threads=threads
    )


def view_of(statistics, within=None) -> RecipeStatistics:
    return RecipeStatistics(
        statistics,
        (0, 1, 2),
        has_base=True,
        compat=False,
        statistics_have_base=True,
        within=within or _unasked,
    )


def _unasked(*_):
    raise AssertionError("an exact table needs no second reading")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_dot_products_and_norms_are_right(dtype):
    rows = tensors(dtype)
    view = view_of(statistics_of(rows)["t"])
    base, *models = [row.float() for row in rows]
    deltas = torch.stack([model - base for model in models]).double()
    wholes = torch.stack(models).double()
    np.testing.assert_allclose(view.delta_gram(), (deltas @ deltas.T).numpy(), rtol=1e-12)
    np.testing.assert_allclose(view.gram(), (wholes @ wholes.T).numpy(), rtol=1e-6)
    np.testing.assert_allclose(view.l1(), deltas.abs().sum(1).numpy(), rtol=1e-12)


@pytest.mark.parametrize("limit", [tables.EXACT, 64], ids=["exact", "ranges"])
def test_thresholds_are_those_of_sorting(limit, monkeypatch):
    monkeypatch.setattr(tables, "EXACT", limit)
    rows = tensors(torch.bfloat16)
    magnitudes = [(row.float() - rows[0].float()).abs().numpy() for row in rows[1:]]

    def within(position, low, high):
        found = magnitudes[position]
        return found[(found >= low) & (found < high)]

    view = view_of(statistics_of(rows)["t"], within)
    for density in (1e-9, 0.1, 0.5, 0.777, 0.99999):
        count = max(1, int(density * SIZE))
        expected = tuple(float(np.sort(each)[::-1][count - 1]) for each in magnitudes)
        assert view.magnitude((density,) * 3) == expected


@given(st.lists(st.floats(0, 2.0**99, width=32), min_size=1, max_size=60), st.data())
def test_any_rank_of_any_table_is_that_of_sorting(values, data):
    magnitudes = np.array(values, np.float32)
    cut = data.draw(st.integers(0, len(values)))
    table = build_table([m for m in (magnitudes[:cut], magnitudes[cut:]) if len(m)])
    rank = data.draw(st.integers(1, len(values)))
    assert table.largest(rank, _unasked) == np.sort(magnitudes)[::-1][rank - 1]


def test_numbers_are_the_same_for_any_number_of_threads():
    rows = tensors(torch.bfloat16)
    others = {f"u{i}": [row[i:].contiguous() for row in rows] for i in range(1, 6)}
    one, three = (statistics_of(rows, threads, **others) for threads in (1, 3))
    for name, statistics in one.items():
        assert statistics.gram.tobytes() == three[name].gram.tobytes()
        assert statistics.l1 == three[name].l1


@given(st.integers(1, 3 * BLOCK))
def test_a_sum_is_that_of_exact_arithmetic(size):
    values = torch.arange(size, dtype=torch.float64)
    total = Sum()
    for start in range(0, size, BLOCK):
        total.add(values[start : start + BLOCK].clone())
    assert total.value == size * (size - 1) // 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("culprit", ["base", "b"])
def test_a_value_that_is_not_finite_is_named_with_its_model_and_tensor(value, culprit, engine_of):
    healthy = {name: torch.ones(3, 3) for name in ("attn", "mlp")}
    sick = {**healthy, "mlp": torch.tensor([[1.0, value, 1.0]] * 3)}
    models = {name: sick if name == culprit else healthy for name in ("a", "b")}
    engine = engine_of(models, base=sick if culprit == "base" else healthy)
    with pytest.raises(ValueError, match=rf"model '{culprit}': mlp has values that are not finite"):
        engine.prepare()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_it_is_named_too_by_a_merge_that_asks_for_no_statistics(value, engine_of, source_of):
    sick = torch.tensor([[1.0, value, 1.0]])
    engine = engine_of(
        {"a": {"mlp": torch.ones(1, 3)}, "b": {"mlp": sick}},
        settings=MergeSettings(mode="eager", statistics="asked"),
    )
    recipe = Recipe(
        "linear",
        {"a": source_of("a"), "b": source_of("b")},
        groups=(Group({"weight": {"a": 0.5, "b": 0.5}}),),
    )
    with pytest.raises(ValueError, match="model 'b': mlp has values that are not finite"):
        engine.merge(recipe, "mlp")


def test_statistics_are_computed_once_and_found_again_by_content(engine_of, tmp_path):
    seen = []
    rows = {name: torch.randn(5, 5) for name in ("base", "a", "b")}
    models = {name: {"w": rows[name]} for name in ("a", "b")}
    engine_of(models, base={"w": rows["base"]}).prepare(lambda *args: seen.append(args))
    assert seen == [(300, 300)]
    renamed = {"first": models["a"], "second": models["b"]}
    engine_of(renamed, base={"w": rows["base"]}).prepare(lambda *args: seen.append(args))
    assert len(seen) == 1
    engine_of({"a": models["b"], "b": models["a"]}, base={"w": rows["base"]}).prepare(
        lambda *args: seen.append(args)
    )
    assert len(seen) == 2


def test_what_is_loaded_is_what_was_computed(tmp_path):
    computed = statistics_of(tensors(torch.bfloat16, 999))
    loaded = cache.load_or_compute(tmp_path / "s", lambda: computed)["t"]
    assert loaded.gram.tobytes() == computed["t"].gram.tobytes()
    assert loaded.l1 == computed["t"].l1
    for ours, theirs in zip(loaded.tables, computed["t"].tables, strict=True):
        assert np.array_equal(ours.values, theirs.values)
        assert np.array_equal(ours.at_least, theirs.at_least)


def test_workers_that_begin_together_compute_once(tmp_path):
    def compute():
        (tmp_path / f"gathered-{os.getpid()}").touch()
        time.sleep(0.3)
        return {}

    processes = multiprocessing.get_context("fork")  # the others would import torch again
    running = [
        processes.Process(target=cache.load_or_compute, args=(tmp_path / "statistics", compute))
        for _ in range(3)
    ]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert [each.exitcode for each in running] == [0, 0, 0]
    assert len(list(tmp_path.glob("gathered-*"))) == 1


def test_a_failed_computation_leaves_nothing_behind(tmp_path):
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.load_or_compute(tmp_path / "s", fail)
    assert not (tmp_path / "s").exists()


def test_settings_are_checked():
    for wrong in ({"mode": "fast"}, {"placement": "disk"}, {"chunk": 0}, {"threads": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            MergeSettings(**wrong)

"""The declarations: what each method requires, and the errors before any arithmetic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workers.methods import METHODS, LinearCombination, PerModel, Range, merge_method
from workers.recipe import Group, Recipe, Source

ROOT = Path(__file__).parents[2]
NAMES = ["a", "b", "c"]
NEEDED = {"weight": 1.0, "density": 0.5, "t": 0.5}


class Vectors:
    """Statistics of three given vectors around a given base, computed the plain way."""

    n_models, has_base, compat = 3, True, False

    def __init__(self, base, models) -> None:
        self.base, self.models, self.size = base, models, len(base)

    def gram(self):
        return self.models @ self.models.T

    def delta_gram(self):
        return (self.models - self.base) @ (self.models - self.base).T


def needed(method) -> dict:
    return {name: value for name, value in NEEDED.items() if name in method.parameters}


def names_for(method) -> list[str]:
    return NAMES[: method.models[1] or 3]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_is_described_and_its_ranges_lie_within_its_limits(method):
    assert method.summary.endswith(".")
    for parameter in method.parameters.values():
        limits = parameter.range
        if limits is None:
            assert isinstance(parameter.default, bool)
            continue
        assert limits.low < limits.high
        for value in (limits.low, limits.high, parameter.default):
            assert value is None or limits.error(value) is None


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_one_name_means_one_range(method):
    for name, parameter in method.parameters.items():
        for other in METHODS.values():
            if parameter.range and name in other.parameters:
                theirs = other.parameters[name].range
                assert (theirs.low, theirs.high, theirs.log) == (
                    parameter.range.low,
                    parameter.range.high,
                    parameter.range.log,
                )


def test_methods_need_no_torch():
    code = "import sys, workers.methods; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_unknown_and_missing_parameters_are_named(method):
    assert "unheard" in method.errors({**needed(method), "unheard": 1}, names_for(method))[0]
    for name in needed(method):
        given = {k: v for k, v in needed(method).items() if k != name}
        assert method.errors(given, names_for(method)) == [f"{name}: is required by {method.name}"]


@pytest.mark.parametrize(
    ("method", "given", "error"),
    [
        ("ties", {"density": 0.0}, "density of a: 0 must be above 0"),
        (
            "ties",
            {"density": {"a": 0.5, "b": 1.01, "c": 1}},
            "density of b: 1.01 must be at most 1",
        ),
        ("dare_linear", {"density": -0.5}, "density of a: -0.5 must be above 0"),
        ("ties", {"weight": {"a": -1, "b": 1, "c": 1}}, "weight of a: -1 must be at least 0"),
        ("multislerp", {"weight": [1, 1, -1]}, "weight of c: -1 must be at least 0"),
        ("linear", {"weight": 0}, "weight: is 0 for every model: nothing to merge"),
        ("linear", {"weight": [1, -2, 1]}, "weight: [1.0, -2.0, 1.0] sum to 0, and normalize"),
        ("ties", {"weight": [1, 2]}, "weight: requires 3 numbers, one per model (a, b, c), not 2"),
        ("ties", {"weight": {"a": 1, "b": 1}}, "weight: missing for model 'c'"),
        ("ties", {"weight": {"a": 1, "b": 1, "c": 1, "d": 1}}, "weight: 'd' is not a model"),
        ("ties", {"weight": float("nan")}, "weight of a: nan is not a finite number"),
        ("ties", {"weight": "much"}, "weight of a: 'much' is not a number"),
        ("ties", {"lambda": True}, "lambda: True is not a number"),
        ("ties", {"normalize": "yes"}, "normalize: 'yes' is neither true nor false"),
        ("ties", {"densty": 0.3}, "densty: ties has no such parameter; did you mean 'density'?"),
    ],
)
def test_bad_values_are_named(method, given, error):
    method = METHODS[method]
    found = method.errors({**needed(method), **given}, NAMES)
    assert found[0].startswith(error)
    with pytest.raises(ValueError, match=method.name):
        method.bind({**needed(method), **given}, NAMES)


@pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.needs_base], ids=lambda m: m.name
)
def test_weights_of_nought_give_the_base(method, engine_of, source_of):
    if "weight" not in method.parameters:
        pytest.skip("has no weights")
    models = {name: {"w": torch.randn(20)} for name in NAMES}
    base = {"w": torch.randn(20)}
    recipe = Recipe(
        method.name,
        {name: source_of(name) for name in NAMES},
        (Group({**needed(method), "weight": 0.0}),),
        base=source_of("base"),
    )
    assert torch.equal(engine_of(models, base=base).merge(recipe, "w"), base["w"])


@pytest.mark.parametrize("compat", [None, "mergekit"])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_tensor_that_is_0_in_every_model_stays_0(method, compat, engine_of, source_of):
    names = names_for(method)
    zeros = {"w": torch.zeros(20), "one": torch.zeros(1)}
    engine = engine_of(dict.fromkeys(names, zeros), base=zeros)
    recipe = Recipe(
        method.name,
        {name: source_of(name) for name in names},
        (Group(needed(method)),),
        base=source_of("base"),
        compat=compat,
    )
    for name, tensor in engine.stream(recipe):
        assert torch.equal(tensor, zeros[name])


@pytest.mark.parametrize("compat", [None, "mergekit"])
@pytest.mark.parametrize("angles", [(0, 180), (0, 120, 240)])
def test_model_stock_of_task_vectors_that_cancel_out_is_the_base(
    angles, compat, engine_of, source_of
):
    base = [0.5, -0.25]
    models = {
        f"m{angle}": (np.array(base) + 0.1 * np.array([np.cos(turn), np.sin(turn)])).tolist()
        for angle, turn in zip(angles, np.radians(angles), strict=True)
    }
    engine = engine_of(models, base=base)
    recipe = Recipe(
        "model_stock",
        {name: source_of(name) for name in models},
        base=source_of("base"),
        compat=compat,
    )
    torch.testing.assert_close(engine.merge(recipe, "weight"), torch.tensor(base))


def test_a_recipe_that_a_method_cannot_carry_out_is_refused():
    models = {name: Source(name) for name in NAMES}
    with pytest.raises(ValueError, match="at most 2 models, not 3; use multislerp or karcher"):
        Recipe("slerp", models, (Group({"t": 0.5}),))
    with pytest.raises(ValueError, match="needs a base"):
        Recipe("ties", models, (Group({"weight": 1, "density": 1}),))
    with pytest.raises(ValueError, match="at least 2 models, not 1"):
        Recipe("karcher", {"a": Source("a")})


vectors = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).normal(size=(4, 12))
)


def combined(plan: LinearCombination, rows: np.ndarray) -> np.ndarray:
    return plan.base * rows[0] + np.array(plan.coefficients) @ rows[1:]


@given(vectors)
def test_karcher_lies_where_the_pull_of_all_models_cancels_out(rows):
    mean = combined(METHODS["karcher"].plan(Vectors(rows[0], rows[1:]), {}), rows)
    lengths = np.linalg.norm(rows[1:], axis=1)
    assert np.isclose(np.linalg.norm(mean), lengths.mean())
    units, point = rows[1:] / lengths[:, None], mean / np.linalg.norm(mean)
    cosines = units @ point
    angles = np.arccos(cosines)
    pull = (angles / np.sin(angles)) @ (units - np.outer(cosines, point))
    assert np.linalg.norm(pull) < 0.05  # ten steps, as mergekit takes


@given(vectors, st.floats(0, 1))
def test_model_stock_lies_between_base_and_average(rows, spread):
    rows[1:] = rows[0] + spread * rows[1:] + rows[2]
    plan = METHODS["model_stock"].plan(Vectors(rows[0], rows[1:]), {})
    assert 0.0 <= plan.base <= 1.0
    assert len(set(plan.coefficients)) == 1


def test_a_method_is_declared_by_its_signature():
    @merge_method(needs_base=False)
    def mine(
        stats,
        *,
        weight: Annotated[PerModel, Range(0.0, 1.0)],
        lambda_: Annotated[float, Range(0.1, 1.0)] = 0.5,
        max_: Annotated[float, Range(0.1, 9.0)] = 9.0,
    ) -> LinearCombination:
        """Do it my way."""
        return LinearCombination(tuple(min(lambda_ * w, max_) for w in weight))

    assert (mine.name, mine.summary) == ("mine", "Do it my way.")
    assert list(mine.parameters) == ["weight", "lambda", "max"]
    bound = mine.bind({"weight": {"b": 2, "a": 1}, "max": 0.75}, ["a", "b"])
    assert mine.plan(None, bound) == LinearCombination((0.5, 0.75))


def test_a_method_without_parameters_says_so():
    assert METHODS["karcher"].errors({"t": 1}, NAMES) == ["t: karcher has no parameters"]


def test_a_parameter_without_a_range_is_no_declaration():
    with pytest.raises(TypeError, match="weight"):

        @merge_method()
        def wrong(stats, *, weight: float) -> LinearCombination:
            """Forget the range."""

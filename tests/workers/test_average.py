"""The recipe half-way between two: what it is for every tensor, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from tests.workers.test_recipe import BASE, TIES, A, B, recipes
from workers.methods import METHODS
from workers.recipe import ALL_MODULES, Group, Recipe, Source, average
from workers.recipe.average import _values

C = Source("/models/c", fingerprint="cc")
LINEAR = Recipe("linear", {"a": A, "b": B}, (Group({"weight": {"a": 3.0, "b": 1.0}}),), BASE)


def group_at(recipe: Recipe, layer: int, module: str) -> Group | None:
    return next((each for each in recipe.groups if each.covers(layer, module, "")), None)


@given(recipes(), recipes())
def test_every_tensor_has_the_mean_of_its_parameters(one, other):
    other = replace(one, groups=other.groups)
    found = average(one, other)
    if found is None:
        places = ((layer, module) for layer in range(8) for module in ALL_MODULES)
        assert not any(group_at(one, *at) and group_at(other, *at) for at in places)
        return
    for layer in range(8):
        for module in ALL_MODULES:
            parts = group_at(one, layer, module), group_at(other, layer, module)
            own = group_at(found, layer, module)
            if parts[0] and parts[1]:
                assert own is not None
                a, b = (_values(one, each)["weight"] for each in parts)
                weights = own.parameters["weight"]
                expected = [(a[name] + b[name]) / 2 for name in one.models]
                assert [weights[name] for name in one.models] == pytest.approx(expected)
            elif len(found.groups) > 1:
                assert own is None


def test_weights_that_are_divided_by_their_sum_are_divided_first():
    other = replace(LINEAR, groups=(Group({"weight": {"a": 0.2, "b": 0.6}}),))
    weights = average(LINEAR, other).groups[0].parameters["weight"]
    assert dict(weights) == pytest.approx({"a": 0.5, "b": 0.5})


def test_a_model_that_only_one_merges_has_weight_0_in_the_other():
    three = Recipe("linear", {"a": A, "b": B, "c": C}, (Group({"weight": 1.0}),), BASE)
    found = average(LINEAR, three)
    assert list(found.models) == ["a", "b", "c"]
    weights = found.groups[0].parameters["weight"]
    assert list(weights.values()) == pytest.approx(
        np.mean([[3 / 4, 1 / 4, 0], [1 / 3, 1 / 3, 1 / 3]], axis=0).tolist()
    )
    assert average(three, LINEAR).digest == found.digest


def test_a_logarithmic_range_has_the_geometric_mean():
    one, other = (
        Recipe("task_arithmetic", {"a": A}, (Group({"weight": 1.0, "lambda": scale}),), BASE)
        for scale in (0.5, 2.0)
    )
    assert average(one, other).groups[0].parameters["lambda"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LINEAR, TIES),
        (LINEAR, replace(LINEAR, seed=1)),
        (LINEAR, replace(LINEAR, base=None)),
        (LINEAR, replace(LINEAR, models={"a": A, "b": C})),
        (LINEAR, replace(LINEAR, groups=(Group({"weight": 1.0, "normalize": False}),))),
        (
            Recipe("slerp", {"a": A, "b": B}, (Group({"t": 0.2}),)),
            Recipe("slerp", {"a": A, "c": C}, (Group({"t": 0.2}),)),
        ),
        (Recipe("passthrough", {"a": A}), Recipe("passthrough", {"b": B})),
        (
            Recipe("model_stock", {"a": A, "b": B}, base=BASE),
            Recipe("model_stock", {"a": A, "c": C}, base=BASE),
        ),
        (
            replace(LINEAR, groups=(Group({"weight": 1.0}, names=("q",)), Group({"weight": 0.5}))),
            replace(LINEAR, groups=(Group({"weight": 1.0}, names=("k",)), Group({"weight": 0.5}))),
        ),
    ],
)
def test_without_a_mean_of_everything_there_is_none(one, other):
    assert average(one, other) is None


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].models[1] is None])
def test_a_recipe_is_half_way_between_itself_and_itself(method):
    given_values = {"weight": 0.5, "density": 0.5}
    parameters = {k: v for k, v in given_values.items() if k in METHODS[method].parameters}
    one = Recipe(method, {"a": A, "b": B}, (Group(parameters),), BASE)
    found = average(one, one)
    model_order = list(one.models)
    assert METHODS[method].bind(_values(found, found.groups[0]), model_order) == METHODS[
        method
    ].bind(_values(one, one.groups[0]), model_order)

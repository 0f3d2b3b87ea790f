"""Points and recipes of a space, and the errors of its settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evaluators.settings import SettingsError
from search.driver import baselines
from search.space import Axis, Space, SpaceSettings
from tests.search.conftest import make_space
from workers.methods import METHODS
from workers.recipe import Group, Recipe, Source

ALL = ("linear", "slerp", "task_arithmetic", "ties", "dare_ties")
SPACES = [
    make_space(*ALL),
    make_space(*ALL, membership=True, depth={"groups": 2}),
    make_space(*ALL, modules=["self_attn", "mlp"], depth={"groups": 3}),
    make_space("ties", density=[0.2, 0.5], weight={"range": [0.1, 1], "depth": 1, "modules": []}),
    make_space("slerp", models="ab", depth={"groups": 4}),
    make_space(*ALL, weight={"depth": {"curve": 3}}, **{"lambda": {"depth": {"curve": 2}}}),
    make_space(
        "linear",
        "dare_ties",
        weight={"depth": {"layers": [[0, 1], [1, 4]]}, "models": {"a": [0, 1], "b": "a"}},
        density={"modules": ["mlp", "head"], "per_model": False},
    ),
    make_space(*ALL, modules=["mlp", "experts"], density={"modules": ["router"], "depth": 2}),
    make_space("breadcrumbs", "multislerp", membership={"optional": ["a", "b"]}, gamma=0.05),
]


def value(axis: Axis) -> st.SearchStrategy[Any]:
    if axis.choices:
        return st.sampled_from(axis.choices)
    return st.floats(max(axis.low, 1e-3), axis.high)


@st.composite
def points(draw: st.DrawFn) -> tuple[Space, dict[str, Any]]:
    space = draw(st.sampled_from(SPACES))
    return space, {name: draw(value(axis)) for name, axis in space.axes.items()}


@given(points())
def test_the_point_of_a_recipe_gives_the_same_recipe(drawn):
    space, params = drawn
    recipe = space.recipe(params)
    back = space.params(recipe)
    assert space.recipe(back).digest == recipe.digest
    ignored = {name for name in params if back[name] != params[name]}
    assert not {"method"} & ignored


EXPERT = "model.layers.0.mlp.experts.1.up_proj.weight"
ROUTER = "model.layers.0.mlp.gate.weight"
SHARED = "model.layers.0.mlp.shared_expert.up_proj.weight"
ATTENTION = "model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ([], ["", "", "", ""]),
        (["mlp"], [".mlp", ".mlp", ".mlp", ".rest"]),
        (["mlp", "experts"], [".experts", ".mlp", ".mlp", ".rest"]),
        (["router"], [".rest", ".router", ".rest", ".rest"]),
    ],
)
def test_experts_and_routers_have_the_values_of_the_mlp_or_their_own(modules, expected):
    space = make_space("linear", modules=modules, depth=1)
    axes = [name for name in space.axes if name.startswith("weight[a]")]
    point = dict.fromkeys(space.axes, 1.0)
    point |= {axis: i / 8 for i, axis in enumerate(axes, start=1)}
    recipe = space.recipe(point)
    for tensor, suffix in zip((EXPERT, ROUTER, SHARED, ATTENTION), expected, strict=True):
        assert recipe.parameters(tensor, 4)["weight"]["a"] == point[f"weight[a]{suffix}"], tensor


@given(points())
def test_what_the_method_ignores_does_not_change_the_recipe(drawn):
    space, params = drawn
    recipe = space.recipe(params)
    used = {name.split("[")[0].split(".")[0] for name in METHODS[recipe.method].parameters}
    other = {
        name: axis.centre
        if name.split("[")[0].split(".")[0] in {"weight", "density", "t", "lambda"} - used
        else params[name]
        for name, axis in space.axes.items()
    }
    assert space.recipe(other).digest == recipe.digest


@given(points())
def test_recipes_of_different_points_differ_unless_the_method_ignores_the_difference(drawn):
    space, params = drawn
    name = next((n for n in params if n.startswith("weight")), None)
    recipe = space.recipe(params)
    owner = name.partition("[")[2].partition("]")[0] if name else ""
    if "weight" not in METHODS[recipe.method].parameters or owner not in recipe.models:
        return
    if recipe.method == "linear" and len(recipe.models) == 1:
        return  # its weight becomes 1
    axis = space.axes[name]
    moved = axis.high if params[name] < axis.high else axis.low + 1e-3
    assert space.recipe({**params, name: moved}).digest != recipe.digest


@pytest.mark.parametrize("space", SPACES)
def test_baselines_in_the_space_are_the_recipes_of_their_points(space):
    for first in baselines(space).known:
        if first.params is not None:
            assert space.recipe(first.params).digest == first.recipe.digest
            assert all(space.axes[name].holds(value) for name, value in first.params.items())


def test_methods_share_the_axes_of_the_parameters_they_share():
    axes = make_space("ties", "dare_ties").axes
    assert sum(name.startswith("density[a]") for name in axes) == 1


def test_axes_have_readable_names():
    axes = make_space("task_arithmetic", modules=["mlp"], depth={"groups": 2}).axes
    assert "weight[a].mlp.1" in axes
    assert "weight[a].rest.0" in axes
    assert "lambda" in axes


def test_total_scale_lies_on_a_log_axis():
    assert make_space("task_arithmetic").axes["lambda"].log


def test_slerp_of_three_models_is_searched_pair_by_pair():
    space = make_space("slerp", "linear")
    assert space.axes["pair"].choices == ("a+b", "a+c", "b+c")


def test_if_a_point_includes_no_model_all_take_part():
    space = make_space("linear", membership=True)
    params = {name: axis.centre for name, axis in space.axes.items()}
    nobody = {name: False for name in params if name.startswith("include")}
    assert list(space.recipe({**params, **nobody}).models) == ["a", "b", "c"]


def test_a_fixed_parameter_is_no_axis_and_is_in_the_recipe():
    space = make_space("ties", density=0.3)
    assert not any(name.startswith("density") for name in space.axes)
    recipe = space.recipe({name: axis.centre for name, axis in space.axes.items()})
    assert dict(recipe.groups[0].parameters["density"]) == {"a": 0.3, "b": 0.3, "c": 0.3}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": {"groups": 9}}, "space.weight: depth: 9 groups, but the models have 4 layers"),
        ({"depth": {"curve": 5}}, "5 points on the curve, but the models have 4 layers"),
        ({"depth": {"layers": [[0, 2], [3, 4]]}}, "not ranges that follow each other from 0 to 4"),
        ({"density": [0.5, 0.2]}, r"space.density: \[0.5, 0.2\] is not a range"),
        ({"density": [0.3, 0.3]}, r"space.density: \[0.3, 0.3\] is not a range"),
        ({"density": [0.0, 0.5]}, "not a range within"),
        ({"lambda": 50}, r"space.lambda: 50 lies outside \[0.2, 3\]"),
        ({"t": 0.5}, "space.t: no method of the space has it"),
        ({"weight": {"models": {"z": 1.0}}}, "models: 'z' is not a model"),
        ({"weight": {"models": {"a": "b", "b": "c"}}}, "models.a: b has no value of its own"),
        ({"lambda": {"models": {"a": 1.0}}}, "one value for all models"),
        ({"density": {"same_as": "lamda"}}, "did you mean 'lambda'"),
        ({"density": {"same_as": "lambda"}}, "per model and the other is not"),
        ({"density": {"same_as": "weight"}}, r"weight lies in \[0, 2\], density must lie in"),
        ({"membership": {"optional": ["z"]}}, "membership.optional: 'z' is not a model"),
        ({"membership": {"least": 4}}, "membership.least: 4 of 3 models"),
    ],
)
def test_a_space_that_contradicts_itself_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        _ = make_space("ties", **settings).axes


def test_a_recipe_outside_the_space_is_refused():
    space = make_space("ties")
    values = {"weight": {"z": 1.0}, "density": 0.5}
    foreign = Recipe("ties", {"z": Source("/z")}, (Group(values),), Source("/base"))
    with pytest.raises(ValueError, match="no point of the space"):
        space.params(foreign)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"membership": {"least": 0}}, "would allow a merge without models"),
        ({"depth": {"groups": 2, "curve": 2}}, "needs exactly one of groups, layers and curve"),
        ({"modules": ["mpl"]}, "unknown module class 'mpl'; did you mean 'mlp'"),
        ({"modules": ["mlp", "mlp"]}, "has a module class twice"),
        ({"weight": {"value": 1.0, "range": [0, 1]}}, "range and value contradict each other"),
        ({"weight": {"value": 1.0, "models": {"a": [0, 2]}}}, "value and models contradict"),
        ({"weight": {"value": 1.0, "modules": ["mlp"]}}, "value and modules contradict"),
        ({"density": {"same_as": "weight", "depth": 2}}, "same_as and depth contradict"),
        ({"density": {"same_as": "weight", "modules": []}}, "same_as and modules contradict"),
        ({"density": {"same_as": "weight", "per_model": False}}, "same_as and per_model contra"),
        ({"density": {"same_as": "weight", "models": {"z": 1}}}, "same_as and models contradict"),
    ],
)
def test_contradictory_settings_are_refused_when_read(settings, message):
    with pytest.raises(ValueError, match=message):
        SpaceSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("methods", "models", "message"),
    [
        (["passthrough", "linear"], "ab", "passthrough merges nothing"),
        (["karcher"], "a", "karcher needs 2 models, not 1"),
    ],
)
def test_a_method_that_cannot_merge_these_models_is_refused(methods, models, message):
    with pytest.raises(ValueError, match=message):
        _ = make_space(*methods, models=models).axes


def test_every_error_of_a_space_is_named_at_once():
    space = make_space("ties", density=[0.5, 0.2], membership={"optional": ["z"]}, **{"lambda": 50})
    with pytest.raises(SettingsError) as caught:
        _ = space.axes
    places = [error.partition(": ")[0] for error in caught.value.errors]
    assert places == ["space.membership.optional", "space.density", "space.lambda"]


def test_every_parameter_of_every_method_can_be_narrowed():
    known = {field.alias or name for name, field in SpaceSettings.model_fields.items()}
    searched = {
        name
        for method in METHODS.values()
        for name, parameter in method.parameters.items()
        if parameter.range is not None
    }
    assert searched <= known


def test_a_curve_goes_through_its_control_points_in_straight_lines():
    space = make_space("task_arithmetic", weight={"depth": {"curve": 2}})
    params = {name: axis.centre for name, axis in space.axes.items()}
    recipe = space.recipe({**params, "weight[a].0": 0.5, "weight[a].1": 2.0})
    assert [group.parameters["weight"]["a"] for group in recipe.groups] == [0.5, 1.0, 1.5, 2.0]


def test_a_point_with_one_value_everywhere_is_a_recipe_of_one_group():
    space = make_space("ties", depth={"groups": 2}, modules=["mlp"])
    params = {name: axis.centre for name, axis in space.axes.items()}
    assert space.recipe(params).groups[0].layers is None
    assert len(space.recipe({**params, "weight[a].mlp.1": 0.25}).groups) == 4


def test_a_tied_parameter_is_no_axis_and_has_the_value_of_the_other():
    space = make_space("ties", weight=[0.2, 0.9], density={"same_as": "weight"})
    assert not any(name.startswith("density") for name in space.axes)
    params = {**{name: axis.centre for name, axis in space.axes.items()}, "weight[b]": 0.25}
    parameters = space.recipe(params).groups[0].parameters
    assert parameters["density"] == parameters["weight"]


def test_a_model_tied_to_another_has_its_value():
    space = make_space("ties", weight={"models": {"b": "a", "c": 0.5}})
    params = {**{name: axis.centre for name, axis in space.axes.items()}, "weight[a]": 0.3}
    assert dict(space.recipe(params).groups[0].parameters["weight"]) == {
        "a": 0.3,
        "b": 0.3,
        "c": 0.5,
    }


def test_weights_that_are_all_0_become_equal_where_they_are_divided_by_their_sum():
    space = make_space("linear")
    recipe = space.recipe(dict.fromkeys(space.axes, 0.0))
    assert set(recipe.groups[0].parameters["weight"].values()) == {1.0}


def test_a_model_alone_is_one_recipe_whatever_its_weight():
    space = make_space("linear", membership=True, depth={"groups": 2})
    alone = {f"include[{name}]": name == "a" for name in "abc"}
    centre = {name: axis.centre for name, axis in space.axes.items()}
    weights = [{name: w for name in centre if name.startswith("weight")} for w in (0.3, 0.9)]
    one, other = (space.recipe({**centre, **alone, **weight}) for weight in weights)
    assert one.digest == other.digest
    assert one.digest in {first.recipe.digest for first in baselines(space).known}


def test_a_space_may_have_nothing_to_search():
    assert not make_space("karcher").axes


PAGE = Path(__file__).parents[2] / "docs/space.md"


def examples() -> list[dict[str, Any]]:
    """Every example of the docs; a repeated key in a block is an alternative."""
    found = []
    for block in re.findall(r"```yaml\nspace:\n(.*?)```", PAGE.read_text(), re.DOTALL):
        entries = [yaml.safe_load(part) for part in re.split(r"^(?=  \w)", block, flags=re.M)[1:]]
        whole: dict[str, Any] = {}
        for entry in entries:
            whole = {**entry, **whole}
        found += [{**whole, **entry} for entry in entries]
    return found


@pytest.mark.parametrize("settings", examples(), ids=str)
def test_every_example_of_the_docs_is_a_valid_space(settings):
    methods = ("slerp", "breadcrumbs_ties", "dare_ties")
    models = {name: Source(f"/models/{name}") for name in ("law", "code", "maths", "reverse")}
    space = SpaceSettings.model_validate(settings)
    assert Space(methods, models, Source("/models/base"), 16, space).axes

"""A recipe says everything, checks itself, and comes back from a file as it was."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.methods import METHODS
from workers.recipe import ALL_MODULES, Group, Recipe, Source, depth_of, module_of

BASE = Source("/models/base", fingerprint="00")
A, B = Source("/models/a", fingerprint="aa"), Source("/models/b", revision="v1")
TIES = Recipe(
    "ties",
    {"a": A, "b": B},
    (
        Group({"weight": {"a": 0.5, "b": 1}, "density": {"a": 0.2, "b": 0.9}}, (0, 2), ("mlp",)),
        Group({"weight": 1.0, "density": 0.5, "lambda": 0.7}),
    ),
    BASE,
)

weights = st.floats(0.01, 2)
per_model = st.fixed_dictionaries({"a": weights, "b": weights})
places = st.tuples(
    st.none() | st.tuples(st.integers(0, 3), st.integers(4, 8)),
    st.none() | st.lists(st.sampled_from(ALL_MODULES), min_size=1, unique=True).map(tuple),
)


TOKENIZERS = [
    None,
    "base",
    "a",
    {"source": "union", "pad_to_multiple_of": 8, "models": {"b": B.to_dict(), "a": A.to_dict()}},
    {"source": "b", "tokens": {"x": "a", "y": {"zero": True, "force": True}}},
    {"source": "union", "tokens": {"z": {"model": "b", "id": 3}}},
]


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    method = draw(st.sampled_from(["linear", "task_arithmetic"]))
    groups = [
        Group({"weight": draw(per_model)}, *place)
        for place in draw(st.lists(places, min_size=1, max_size=3))
    ]
    return Recipe(
        method,
        draw(st.sampled_from([{"a": A, "b": B}, {"b": B, "a": A}])),
        tuple(groups),
        BASE,
        seed=draw(st.integers(0, 9)),
        dtype=draw(st.sampled_from([None, "bfloat16"])),
        tokenizer=draw(st.sampled_from(TOKENIZERS)),
    )


@given(recipes())
def test_a_recipe_comes_back_from_yaml_and_from_a_pickle_as_it_was(recipe):
    for back in (Recipe.from_yaml(recipe.to_yaml()), pickle.loads(pickle.dumps(recipe))):
        assert back == recipe
        assert back.digest == recipe.digest
        assert list(back.models) == list(recipe.models)


@given(recipes(), recipes())
def test_digests_are_equal_exactly_when_recipes_are(one, other):
    same = one == other and list(one.models) == list(other.models)
    assert (one.digest == other.digest) == same


@pytest.mark.parametrize(
    "changed",
    [
        replace(TIES, seed=1),
        replace(TIES, dtype="bfloat16"),
        replace(TIES, compat="mergekit"),
        replace(TIES, models={"b": B, "a": A}),  # sums of floats depend on the order
        replace(TIES, models={"a": A, "b": replace(B, revision="v2")}),
        replace(TIES, base=replace(BASE, fingerprint="01")),
        replace(TIES, groups=TIES.groups[::-1]),
    ],
)
def test_whatever_changes_the_bytes_changes_the_digest(changed):
    assert changed.digest != TIES.digest


def test_where_a_model_lies_does_not_change_the_digest_when_its_content_is_known():
    moved = replace(TIES, models={"a": replace(A, path="/elsewhere"), "b": B})
    assert moved.digest == TIES.digest


def test_whole_numbers_and_floats_are_the_same_recipe():
    one, other = (Recipe("linear", {"a": A}, (Group({"weight": w}),)) for w in (1, 1.0))
    assert one.digest == other.digest


def test_the_first_group_that_covers_a_tensor_gives_its_parameters():
    assert TIES.parameters("model.layers.1.mlp.up_proj.weight", 4)["weight"] == {"a": 0.5, "b": 1}
    for elsewhere in ("layers.2.mlp.up_proj.weight", "layers.1.self_attn.q_proj.weight"):
        assert TIES.parameters(f"model.{elsewhere}", 4)["weight"] == 1.0


def test_a_tensor_that_no_group_covers_is_named():
    recipe = Recipe("linear", {"a": A}, (Group({"weight": 1}, modules=("mlp",)),))
    with pytest.raises(ValueError, match=r"no group of the recipe covers lm_head\.weight"):
        recipe.parameters("lm_head.weight", 4)


@pytest.mark.parametrize(
    ("tensor", "module", "depth"),
    [
        ("model.embed_tokens.weight", "embed", 0),
        ("model.norm.weight", "norm", 7),
        ("lm_head.weight", "head", 7),
        ("model.layers.5.self_attn.k_proj.bias", "self_attn", 5),
        ("model.layers.5.self_attn.q_norm.weight", "norm", 5),
        ("model.layers.5.input_layernorm.weight", "norm", 5),
        ("model.layers.5.mlp.gate_up_proj.weight", "mlp", 5),
        ("transformer.h.3.attn.c_attn.weight", "self_attn", 3),
        ("transformer.h.3.ln_1.weight", "norm", 3),
        ("transformer.ln_f.weight", "norm", 7),
        ("transformer.wte.weight", "embed", 0),
        ("transformer.wpe.weight", "embed", 0),
    ],
)
def test_tensors_are_classed_by_module_and_depth(tensor, module, depth):
    assert (module_of(tensor), depth_of(tensor, 8)) == (module, depth)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"method": "tie"}, "unknown merge method 'tie'; choose one of "),
        ({"base": None}, "needs a base"),
        ({"models": {}}, "needs at least 1 model, not 0"),
        ({"method": "slerp"}, "weight: slerp has no such parameter"),
        ({"dtype": "int8"}, "dtype 'int8' is not one of float32"),
        ({"compat": "x"}, "compat 'x' is not 'mergekit'"),
        ({"tokenizer": "c"}, "tokenizer 'c' is not 'base', 'union' or one of"),
        ({"tokenizer": {"source": "a", "pad": 8}}, "tokenizer: unknown key 'pad'; choose one"),
        ({"tokenizer": {"source": "a", "pad_to_multiple_of": 0}}, "of: 0 is not a positive number"),
        ({"tokenizer": {"source": "a", "tokens": {"x": {"model": "c"}}}}, "'x': 'c' is not 'base'"),
        ({"tokenizer": {"source": "a", "tokens": {"x": {}}}}, "'x': expected either `model` or"),
        (
            {"tokenizer": {"source": "a", "tokens": {"x": {"model": "a", "token": "y", "id": 1}}}},
            "'x': give either a token or an id, not 'y' and 1",
        ),
        ({"groups": (Group({"weight": 1, "density": 1}, (2, 2)),)}, r"layers: \[2, 2\] is empty"),
        ({"groups": (Group({"weight": 1, "density": 1}, None, ("x",)),)}, r"modules: \['x'\] not"),
        ({"groups": (Group({"weight": {"a": 1}, "density": 1}),)}, "weight: missing for model 'b'"),
        ({"groups": (Group({"weight": [1, 2, 3], "density": 1}),)}, "requires 2 numbers"),
        ({"groups": (Group({"weight": 1, "density": 0}),)}, "density of a: 0 must be above 0"),
        ({"groups": (Group({"weight": 1, "density": 1, "lamda": 1}),)}, "did you mean 'lambda'"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_by_name(changes, expected):
    with pytest.raises(ValueError, match=expected):
        replace(TIES, **changes)


def test_slerp_of_three_models_is_refused_with_advice():
    three = {"a": A, "b": B, "c": A}
    with pytest.raises(ValueError, match=r"at most 2 models, not 3.*multislerp or karcher"):
        Recipe("slerp", three, (Group({"t": 0.5}),), BASE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("method: ties\nmodls: {}", "unknown key 'modls'"),
        ("method: ties", "'models' is missing"),
        ("method: linear\nmodels: {a: 3}", "a: a model is a path or a mapping, not 3"),
        ("method: linear\nmodels: {a: x}\ngroups: [3]", "groups.0: a group is a mapping, not 3"),
        ("method: linear\nmodels: {a: x}\ngroups: [{layers: 3}]", "layers: 3 is not a pair"),
        ("[", "not valid YAML"),
        ("- 1", "a recipe is a mapping, not list"),
    ],
)
def test_a_recipe_file_that_is_wrong_says_where(text, expected):
    with pytest.raises(ValueError, match=expected):
        Recipe.from_yaml(text)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_written_in_a_recipe_with_its_defaults(name):
    method = METHODS[name]
    count = max(2, method.models[0]) if method.models[1] != 1 else 1
    models = {f"m{i}": replace(A, path=f"/m{i}") for i in range(count)}
    needed = {
        parameter.name: (parameter.range.low + parameter.range.high) / 2
        for parameter in method.parameters.values()
        if parameter.default is None and parameter.range
    }
    recipe = Recipe(name, models, (Group(needed),), BASE)
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe

"""mergekit's format: what is read, what is refused with its line, and what we write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers import mergekit
from workers.checkpoint import open_checkpoint
from workers.mergekit.document import Condition
from workers.mergekit.writer import MARK
from workers.methods import METHODS
from workers.recipe import MODULES, Group, Recipe, Source
from workers.recipe_file import read_recipe

MODELS = Path(__file__).parent / "golden" / "models"
BASE, A, B, C = (str(MODELS / name) for name in ("base", "a", "b", "c"))
TIES = f"""merge_method: ties
base_model: {BASE}
models:
  - model: {A}
    parameters:
      weight: 0.5
  - model: {B}
    parameters:
      weight: 0.3
dtype: float32
"""
LAST, WEIGHT = "dtype: float32", "weight: 0.3"
BELOW = "parameters:\n      weight: 0.3"


def read(text: str) -> Recipe:
    return mergekit.read(text, "x.yml")


def test_the_published_example_of_a_gradient():
    gradient = Condition(None, (0, 0.5, 0.3, 0.7, 1))
    found = [round(gradient.at(i / 7), 6) for i in range(8)]
    assert found == [0, 0.285714, 0.471429, 0.357143, 0.414286, 0.642857, 0.828571, 1]


def test_tensors_outside_the_layers_take_the_first_value():
    recipe = read(TIES.replace("weight: 0.5", "weight: [2, 0, 4, 6]"))
    for tensor in ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"):
        assert recipe.parameters(tensor, 4)["weight"]["a"] == 2
    layers = [f"model.layers.{i}.mlp.up_proj.weight" for i in range(4)]
    assert [recipe.parameters(name, 4)["weight"]["a"] for name in layers] == [2, 0, 4, 6]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (LAST, "dtpye: float32", "line 10: unknown key 'dtpye'; did you mean 'dtype'"),
        (BELOW, BELOW.replace("met", "mt"), "line 8: unknown key 'paramters'; did you mean 'par"),
        (WEIGHT, f"{WEIGHT}\n      t: 1", "line 10: ties has no parameter 't'; it has: weight, d"),
        (LAST, "normalize: true", "line 10: normalize: mergekit ignores it here; write it under"),
        (LAST, "embed_slerp: true", "line 10: embed_slerp: mergekit ignores it; filters"),
        (BELOW, WEIGHT, "line 8: weight: mergekit ignores it here"),
        (BELOW, "layer_range: [0, 4]", "line 8: layer_range: mergekit ignores it under `models`"),
        ("ties", "tiess", "line 1: merge_method 'tiess' is not available; did you mean 'ties'"),
        ("ties", "della", "line 1: merge_method 'della' is not available; it drops .*; dare_ties"),
        ("ties", "sce", "line 1: merge_method 'sce' is not available; it elects .*; ties is like"),
        ("merge_method: ties", "out_dtype: null", "line 1: merge_method is missing; one of pass"),
        (LAST, "parameters: {rescale: true}", "line 10: rescale: only 0 is supported"),
        (WEIGHT, "weight: {filter: mlp, value: 1}", "line 9: weight: conditions must be a list"),
        (WEIGHT, "weight: [{filter: self_atn, value: 1}, {value: 0}]", "line 9: filter 'self_atn'"),
        (WEIGHT, "weight: [{filter: mlp, value: 1}]", "line 7: weight of .*/b is not given for"),
        (WEIGHT, "weight: [{filter: mlp}]", "line 9: weight: a condition needs a `value`"),
        (WEIGHT, "weight: [{filter: 3, value: 1}]", "line 9: weight: filter 3 is not text"),
        (WEIGHT, "weight: [{fliter: mlp, value: 1}]", "line 9: unknown key 'fliter'; did you mean"),
        (WEIGHT, "weight: half", "line 9: weight: expected a number or a list of numbers, got 'ha"),
        (WEIGHT, "weight: -1", "weight of b: -1 must be at least 0"),
        (LAST, f"{LAST}\ndtype: float16", "line 11: key 'dtype' is given twice, first in line 10"),
        (LAST, "dtype: int64", "line 10: dtype: 'int64' is not one of float32"),
        (LAST, "tokenizer: {token: {}}", "line 10: unknown key 'token'; did you mean 'tokens'"),
        (LAST, "tokenizer: {tokens: {x: 3}}", "line 10: 'x': expected a mapping, got 3"),
        (LAST, "tokenizer: {tokens: {x: {force: true}}}", "line 10: 'x': `source` is missing"),
        (
            LAST,
            "tokenizer: {tokens: {x: {source: {kind: one}}}}",
            "line 10: 'x': kind 'one' is not `model_token` or `zero`",
        ),
        (
            LAST,
            f"tokenizer: {{tokens: {{x: {{source: {{kind: model_token, model: {A}}}}}}}}}",
            "line 10: 'x': give `model`, and either `token` or `token_id`",
        ),
        (
            LAST,
            f"tokenizer: {{tokens: {{x: {{source: {C}}}}}}}",
            "line 10: 'x': .*/c is not one of the merged models",
        ),
        (
            LAST,
            "tokenizer: {pad_to_multiple_of: eight}",
            "line 10: pad_to_multiple_of: 'eight' is not a positive number",
        ),
        (
            LAST,
            f"tokenizer_source: {C}",
            "line 10: tokenizer_source: .*/c is not one of the merged models",
        ),
        (
            LAST,
            "chat_template: chatmll",
            "line 10: chat_template 'chatmll' is not a Jinja template; did you mean 'chatml'",
        ),
        (LAST, "modules: {}", "line 10: modules: only the language model of several"),
        (LAST, "slices: []", "line 1: give either `models` or `slices`"),
        (LAST, "---\nname: x", "line 11: merge_method is missing"),
        (LAST, "dtype: [", "not valid YAML"),
        (
            f"- model: {A}",
            f"- model: {BASE}",
            "line 6: weight: ties has no parameters for the base; rem",
        ),
        (f"- model: {A}", f"- modl: {A}", "line 4: `model` is missing"),
        (f"- model: {A}", "- model: /nowhere", "model directory /nowhere does not exist"),
        (f"- model: {B}", f"- model: {A}", "line 7: .*/a is listed twice in one slice"),
        (
            f"- model: {B}",
            f"- model: {{model: {B}, override_architecture: x}}",
            "line 7: override_architecture: the architecture is read",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_line(old, new, expected):
    assert old in TIES
    with pytest.raises(ValueError, match=expected):
        read(TIES.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x.yml: is empty"),
        ("- 1", "line 1: recipe: expected a mapping"),
        ("merge_method: linear\nmodels: []", "line 2: models: the list is empty"),
        ("merge_method: linear\nslices: []", "line 2: slices: the list is empty"),
        ("merge_method: linear\nslices: [{}]", "line 2: a slice needs `sources`"),
        (f"merge_method: slerp\nmodels: [{A}, {B}]\nparameters: {{t: 1}}", "slerp needs base_mode"),
        (f"merge_method: linear\nbase_model: {C}\nmodels: [{A}]", "base_model is not among"),
        (f"merge_method: passthrough\nmodels: [{A}, {B}]", "passthrough needs one model, not 2"),
    ],
)
def test_a_file_that_is_no_recipe_says_what_is_missing(text, expected):
    with pytest.raises(ValueError, match=expected):
        read(text)


def test_all_errors_are_named_at_once():
    text = TIES.replace("dtype", "dtpye").replace(WEIGHT, "weight: x")
    with pytest.raises(ValueError, match=r"x\.yml: 2 errors\n  line 9: .*\n  line 10: "):
        read(text)


SLICES = f"""merge_method: task_arithmetic
base_model: {BASE}
slices:
  - sources:
      - model: {BASE}
        layer_range: [0, 2]
      - model: {A}
        layer_range: [0, 2]
  - sources:
      - model: {BASE}
        layer_range: [2, 4]
      - model: {A}
        layer_range: [2, 4]
parameters: {{weight: 1}}
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "[2, 4]",
            "[3, 5]",
            r"line 10: layer_range: \[3, 5\] ends after the last layer of .*/base",
        ),
        (
            "[0, 2]",
            "[0, 3]",
            r"line 7: the sources of a slice differ in length: .*/a has 2 .*/base 3",
        ),
        ("[0, 2]", "[0]", r"line 6: layer_range: expected \[first, one after the last\]"),
        ("- sources:", "- residual_weight: 1\n    sources:", "line 4: residual_weight: mergekit"),
        ("- sources:", f"- base_model: {A}\n    sources:", "line 4: base_model: all slices must"),
        ("task_arithmetic", "karcher", r"karcher has no parameter 'weight'"),
    ],
)
def test_slices_that_cannot_be_kept_are_refused(old, new, expected):
    with pytest.raises(ValueError, match=expected):
        read(SLICES.replace(old, new, 1))


def test_slices_that_end_early_drop_layers():
    second = SLICES.index("  - sources:", SLICES.index("- sources:") + 9)
    recipe = read(SLICES[:second] + "parameters: {weight: 1}\n")
    assert {source.layers for source in recipe.sources.values()} == {((0, 2),)}


@pytest.mark.parametrize(
    "text",
    [
        f"merge_method: linear\nmodels: [{A}, {B}]\nparameters: {{weight: 1}}",
        "merge_method: linear\ninput_model_parameters:\n"
        f"  {A}: {{weight: 1}}\n  {B}: {{weight: 1}}\n",
        f"merge_method: linear\nmodels: [{A}, {B}]\nparameters: {{weight: 1}}\n"
        f"tokenizer_source: 'model:{A}'\ndtype: torch.bfloat16",
        f"merge_method: linear\nmodels:\n  - model: {A}\n    parameters: &same {{weight: 1}}\n"
        f"  - model: {B}\n    parameters: *same",
    ],
)
def test_old_spellings_that_people_still_paste_are_read(text):
    recipe = read(text)
    assert list(recipe.models) == ["a", "b"]
    assert dict(recipe.groups[0].parameters["weight"]) == {"a": 1, "b": 1}


def test_a_recipe_of_ours_is_told_from_one_of_mergekits(tmp_path):
    ours, theirs = tmp_path / "ours.yaml", tmp_path / "theirs.yaml"
    theirs.write_text(TIES)
    recipe = read_recipe(theirs, seed=7)
    assert recipe.seed == 7
    ours.write_text(recipe.to_yaml())
    assert read_recipe(ours).digest == recipe.digest


def test_a_comment_that_does_not_fit_the_rest_is_refused():
    changed = mergekit.write(read(TIES)).replace(WEIGHT, "weight: 0.4", 1)
    with pytest.raises(ValueError, match="is not the same recipe as the rest of the file; delete"):
        read(changed)
    assert read(changed.split(MARK)[0]).groups[0].parameters["weight"]["b"] == 0.4


def test_paths_with_signs_in_them_are_written_as_mappings(tmp_path):
    odd = tmp_path / "c++@home"
    odd.symlink_to(B)
    models = {"a": Source(A), "odd": Source(str(odd))}
    recipe = Recipe("linear", models, (Group({"weight": 1.0}),))
    assert read(mergekit.write(recipe).split(MARK)[0]).models["c-home"].path == str(odd)


layers = st.none() | st.sampled_from([(0, 1), (0, 2), (1, 4), (2, 4)])
modules = st.none() | st.lists(st.sampled_from(MODULES), min_size=1, unique=True).map(tuple)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    method = METHODS[draw(st.sampled_from(sorted(METHODS)))]
    count = method.models[1] or draw(st.integers(2, 3))
    models = {name: Source(path) for name, path in zip("abc"[:count], (A, B, C), strict=False)}

    def value(parameter):
        if parameter.range is None:
            return draw(st.booleans())
        numbers = st.floats(max(parameter.range.low, 0.01), parameter.range.high)
        return {name: draw(numbers) for name in models} if parameter.per_model else draw(numbers)

    def group(where):
        return Group({p.name: value(p) for p in method.parameters.values()}, *where)

    places = draw(st.lists(st.tuples(layers, modules), max_size=3))
    return Recipe(
        method.name,
        models,
        tuple(group(where) for where in [*places, (None, None)]),
        Source(BASE) if method.needs_base or draw(st.booleans()) else None,
        seed=draw(st.integers(0, 3)),
        dtype=draw(st.sampled_from([None, "bfloat16"])),
    )


@given(recipes())
@settings(max_examples=60)
def test_every_recipe_of_ours_is_written_and_read_back_as_it_was(recipe):
    text = mergekit.write(recipe)
    assert read(text).digest == recipe.digest
    assert json.loads(text.split(MARK)[1]) == json.loads(json.dumps(recipe.to_dict()))


@given(recipes())
@settings(max_examples=60)
def test_the_body_alone_gives_every_tensor_its_parameters(recipe):
    back = read(mergekit.write(recipe).split(MARK)[0])
    method = METHODS[recipe.method]
    for tensor in open_checkpoint(Source(BASE)).tensors:
        ours = method.bind(recipe.parameters(tensor, 4), list(recipe.models))
        theirs = back.parameters(tensor, 4)
        for name, value in ours.items():
            if not method.parameters[name].per_model:
                assert theirs[name] == value
                continue
            by_path = {back.models[m].path: number for m, number in theirs[name].items()}
            assert [by_path[source.path] for source in recipe.models.values()] == list(value)

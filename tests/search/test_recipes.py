"""The user's own recipes become baselines with the models of the run."""

from __future__ import annotations

import pytest

from search.config.recipes import read_recipes
from search.space import Space
from tests.search.conftest import make_space
from workers.recipe import Source

SPACE = make_space("linear", "ties")

OURS = """
method: linear
base: /models/base
models: {x: /models/b, a: /elsewhere/a}
groups: [{parameters: {weight: {x: 0.25, a: 1.0}}}]
"""

MERGEKIT = """
merge_method: ties
base_model: /models/base
models:
  - {model: /models/a, parameters: {weight: 0.5, density: 0.5}}
  - {model: /models/c, parameters: {weight: 1.0, density: 0.25}}
dtype: float32
"""


def test_models_are_matched_by_path_or_name_and_get_their_names_in_the_run(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(OURS)
    recipe = read_recipes([path], SPACE)["mine"]
    assert dict(recipe.models) == {name: SPACE.models[name] for name in ("b", "a")}
    assert recipe.groups[0].parameters["weight"] == {"b": 0.25, "a": 1.0}


def test_a_mergekit_recipe_can_be_read_too(world, tmp_path):
    models = {name: Source(str(world / name)) for name in "abc"}
    space = Space(("linear", "ties"), models, Source(str(world / "base")), 4)
    path = tmp_path / "theirs.yaml"
    path.write_text(MERGEKIT.replace("/models", str(world)))
    recipe = read_recipes([path], space)["theirs"]
    assert (recipe.method, list(recipe.models)) == ("ties", ["a", "c"])
    assert recipe.base == space.base


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OURS.replace("/models/b", "/models/z"), "its model 'x' .* is none of the run's"),
        (OURS.replace("linear", "linaer"), "unknown merge method 'linaer'"),
        ("a: [", "not valid YAML"),
        (OURS.replace("/models/base", "/models/other"), None),
    ],
)
def test_a_recipe_of_another_run_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    if message is None:  # the same name is enough
        assert read_recipes([path], SPACE)
        return
    with pytest.raises(ValueError, match=message):
        read_recipes([path], SPACE)


def test_every_invalid_file_is_reported(tmp_path):
    with pytest.raises(ValueError, match=r"recipes\.0: .*none\.yaml.*recipes\.1"):
        read_recipes([tmp_path / "none.yaml", tmp_path / "no.yaml"], SPACE)

"""A recipe that is read from mergekit's format gives the tensors that mergekit 0.1.5 gives.

The golden outputs are made by scripts/golden_recipes.py, in an environment of mergekit's own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from workers import mergekit
from workers.checkpoint import open_checkpoint
from workers.merging import Engine, MergeSettings
from workers.recipe import Recipe, Source

GOLDEN = Path(__file__).parent / "golden"
RECIPES = sorted((GOLDEN / "recipes").glob("*.yml"))
MERGED = load_file(GOLDEN / "merged.safetensors")


@pytest.fixture(autouse=True)
def _in_the_models_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN / "models")


def engine(recipe: Recipe, cache: Path) -> Engine:
    opened = {name: open_checkpoint(source) for name, source in recipe.sources.items()}
    base = opened.pop("base", None)
    return Engine(opened, base, settings=MergeSettings(mode="eager", cache=cache))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_read_recipe_gives_what_mergekit_gives(file, tmp_path):
    recipe = mergekit.read(file.read_text(), file.name)
    merged = dict(engine(recipe, tmp_path).stream(recipe))
    expected = {
        name.partition("/")[2]: tensor
        for name, tensor in MERGED.items()
        if name.startswith(f"{file.stem}/")
    }
    assert merged.keys() == expected.keys()
    for name, tensor in expected.items():
        assert merged[name].dtype == tensor.dtype
        torch.testing.assert_close(merged[name], tensor, atol=2e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_what_is_written_of_it_is_read_back_with_the_same_digest(file):
    recipe = mergekit.read(file.read_text(), file.name)
    written = mergekit.write(recipe)
    assert mergekit.read(written, "back").digest == recipe.digest


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_what_is_written_of_it_says_the_same_without_our_comment(file):
    """mergekit reads only the body, so the body alone must give every tensor its parameters."""
    recipe = mergekit.read(file.read_text(), file.name)
    body = "\n".join(
        line for line in mergekit.write(recipe).splitlines() if not line.startswith("#")
    )
    back = mergekit.read(body, "body")
    names = open_checkpoint(Source("base")).tensors
    assert back.models == recipe.models or recipe.method == "linear"
    for name in names:
        theirs, ours = back.parameters(name, 4), recipe.parameters(name, 4)
        for parameter, value in ours.items():
            assert theirs[parameter] == value, (name, parameter)

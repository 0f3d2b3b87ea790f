"""`mergefront merge`: recipes of both kinds, explained and made."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from search.cli.app import app


@pytest.fixture
def said():
    return lambda *arguments: CliRunner().invoke(app, ["merge", *map(str, arguments)])


@pytest.fixture
def recipe(world: Path, tmp_path: Path) -> Path:
    file = tmp_path / "mergekit.yml"
    file.write_text(
        f"merge_method: task_arithmetic\nbase_model: {world}/base\nmodels:\n"
        f"  - model: {world}/a\n    parameters: {{weight: [0.25, 0.75]}}\n"
        f"  - model: {world}/b\n"
        "    parameters: {weight: [{filter: mlp, value: 2}, {value: 0}]}\n"
    )
    return file


def test_a_recipe_is_explained_without_making_anything(said, recipe, tmp_path):
    found = said(recipe, "--explain")
    assert found.exit_code == 0
    assert "model.layers.3.mlp.up_proj.weight" in found.output
    assert "weight: a 0.75  b 2" in found.output
    assert not (tmp_path / "out").exists()


def test_a_recipe_of_mergekits_is_made(said, recipe, tmp_path):
    out = tmp_path / "out"
    assert said(recipe, out).exit_code == 0
    again = said(out / "mergekit_config.yml", tmp_path / "again")
    assert again.exit_code == 0
    one, other = (f / "model.safetensors" for f in (out, tmp_path / "again"))
    assert one.read_bytes() == other.read_bytes()


def test_without_a_target_nothing_is_guessed(said, recipe):
    found = said(recipe)
    assert found.exit_code == 2
    assert "give the directory to make as OUT, or --explain" in found.output


def test_a_wrong_recipe_is_named_by_line(said, recipe):
    recipe.write_text(recipe.read_text().replace("merge_method", "merge_methd"))
    found = said(recipe, "--explain")
    assert found.exit_code == 2
    assert "line 1: unknown key 'merge_methd'; did you mean 'merge_method'?" in found.output

"""`mergefront merge`: recipes in both formats, explained and written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from search.cli.app import app


@pytest.fixture
def merge():
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


def test_a_recipe_is_explained_without_writing_anything(merge, recipe, tmp_path):
    done = merge(recipe, "--explain")
    assert done.exit_code == 0
    assert "model.layers.3.mlp.up_proj.weight" in done.output
    assert "weight: a 0.75  b 2" in done.output
    assert not (tmp_path / "out").exists()


def test_a_mergekit_recipe_is_written_as_a_model(merge, recipe, tmp_path):
    out = tmp_path / "out"
    assert merge(recipe, out).exit_code == 0
    again = merge(out / "mergekit_config.yml", tmp_path / "again")
    assert again.exit_code == 0
    one, other = (f / "model.safetensors" for f in (out, tmp_path / "again"))
    assert one.read_bytes() == other.read_bytes()


def test_without_out_and_explain_it_is_wrong_input(merge, recipe):
    done = merge(recipe)
    assert done.exit_code == 2
    assert "give either OUT, the directory to write, or --explain" in done.output


def test_an_error_in_a_recipe_is_reported_with_its_line(merge, recipe):
    recipe.write_text(recipe.read_text().replace("merge_method", "merge_methd"))
    done = merge(recipe, "--explain")
    assert done.exit_code == 2
    assert "line 1: unknown key 'merge_methd'; did you mean 'merge_method'?" in done.output

"""Files with several recipes, of which later ones merge the results of earlier ones."""

from __future__ import annotations

import json

import pytest
import torch
import yaml
from typer.testing import CliRunner

from search.cli.app import app
from workers import mergekit
from workers.checkpoint import open_checkpoint
from workers.merge import merge
from workers.merge_chain import merge_chain
from workers.recipe import Group, Recipe, Source
from workers.recipe_file import read_chain, read_recipe

pytestmark = pytest.mark.usefixtures("cache")


def linear(*models: str, name: str | None = None, **more) -> str:
    content = {"merge_method": "linear", "parameters": {"weight": 1}, **more}
    return yaml.safe_dump({"name": name, "models": [{"model": str(m)} for m in models], **content})


def joined(*documents: str) -> str:
    return "---\n".join(documents).replace("name: null\n", "")


@pytest.fixture(scope="module")
def abc(zoo) -> list[str]:
    return [str(zoo(seed=seed)) for seed in range(3)]


def test_a_chain_gives_what_its_recipes_give_one_by_one(abc, tmp_path):
    a, b, c = abc
    # the order in the file is free, the last of them has no name, and one stacks a result
    text = joined(
        linear("second", c), linear("first", b, name="second"), linear(a, b, name="first")
    )
    file = tmp_path / "chain.yml"
    file.write_text(text)
    recipes = read_chain(file)
    assert list(recipes) == ["first", "second", ""]
    merge_chain(recipes, tmp_path / "out", text)

    half = Group({"weight": 1.0})
    merge(Recipe("linear", {"x": Source(a), "y": Source(b)}, (half,)), tmp_path / "1")
    merge(
        Recipe("linear", {"x": Source(str(tmp_path / "1")), "y": Source(b)}, (half,)),
        tmp_path / "2",
    )
    merge(
        Recipe("linear", {"x": Source(str(tmp_path / "2")), "y": Source(c)}, (half,)),
        tmp_path / "3",
    )
    found, expected = (open_checkpoint(Source(str(tmp_path / n))) for n in ("out", "3"))
    assert found.fingerprint == expected.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "3", "chain.yml", "out"]
    assert read_chain(tmp_path / "out" / "mergekit_config.yml") == recipes
    written = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert [model["path"] for model in written["models"].values()] == ["second", c]


def test_a_result_can_be_stacked(abc, tmp_path):
    slices = [{"sources": [{"model": "mean", "layer_range": r}]} for r in ([0, 2], [1, 2])]
    stack = yaml.safe_dump({"merge_method": "passthrough", "slices": slices})
    text = joined(linear(*abc[:2], name="mean"), stack)
    merge_chain(mergekit.read_chain(text, "x.yml"), tmp_path / "out", text)
    merged = open_checkpoint(Source(str(tmp_path / "out")))
    assert merged.n_layers == 3
    one, two = (merged.tensor(f"model.layers.{i}.mlp.up_proj.weight") for i in (1, 2))
    assert torch.equal(one, two)


def test_the_command_merges_a_chain_and_refuses_to_explain_it(abc, tmp_path):
    file = tmp_path / "chain.yml"
    file.write_text(joined(linear(*abc[:2], name="mean"), linear("mean", abc[2])))
    run = CliRunner().invoke(app, ["merge", str(file), "--explain"])
    assert run.exit_code == 2
    assert "--explain needs one recipe, but" in run.output
    with pytest.raises(ValueError, match=r"has several recipes .*; such a file can only be merged"):
        read_recipe(file)
    run = CliRunner().invoke(app, ["merge", str(file), str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    assert open_checkpoint(Source(str(tmp_path / "out"))).n_layers == 2
    run = CliRunner().invoke(app, ["merge", str(file), str(tmp_path / "out")])
    assert run.exit_code == 2
    assert "exists already" in run.output


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([("x", "y"), ("y", "x")], r"line 1: these documents need each other: .* -> .* -> "),
        ([("x", "x")], "line 1: these documents need each other: x -> x"),
        (
            [("x", "A"), (None, "z")],
            r"'z' is neither a document of this file \(x\) nor a directory",
        ),
        ([("x", "A"), ("x", "A")], "has the same name 'x' as the one in line 1; give each a name"),
        ([(None, "A"), (None, "A")], "has no `name`, as the one in line 1; give each a name"),
        ([("x", "A"), ("y", "A")], "no other document merges 'y', and a file gives one"),
        ([(None, "A"), ("y", "A")], "merges 'y', .* that of the document without a name"),
        ([("a/b", "A"), (None, "A")], "name: expected a name without a /, got 'a/b'"),
        ([("x", "/nowhere/m"), (None, "x")], "model directory /nowhere/m does not exist"),
    ],
)
def test_what_is_no_chain_is_refused_with_its_line(documents, expected, abc):
    real = {"A": abc[0]}
    texts = [linear(real.get(model, model), abc[1], name=name) for name, model in documents]
    text = joined(*texts) if len(texts) > 1 else joined(*texts, linear(*abc[:2]))
    with pytest.raises(ValueError, match=expected):
        mergekit.read_chain(text, "x.yml")


def test_an_error_in_a_later_recipe_is_found_before_anything_is_merged(abc):
    later = linear("mean", abc[2], parameters={"weight": [{"filter": "self_atn", "value": 1}]})
    with pytest.raises(ValueError, match="filter 'self_atn' matches no tensor"):
        mergekit.read_chain(joined(linear(*abc[:2], name="mean"), later), "x.yml")

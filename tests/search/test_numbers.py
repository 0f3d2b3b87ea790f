"""Every number of a config and of a recipe: accepted as it is, or refused with its field's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.config import Config, ConfigFile
from search.config.plan import _space_errors
from search.driver import Budget
from workers.recipe_file import read_recipe

VALUES = ("-1", "0", ".nan", ".inf", "-.inf", "1e400", "1.0e+400", str(2**70), "9" * 400)
HOLE = "the-number"  # where a value is written into the text of a file
SHORT = ("a", "range", "value")  # the name of a mapping's key, and what may be left out
Place = tuple[str, ...]


def numbers(schema: dict, root: dict) -> Iterator[tuple[Place, Callable[[Any], Any]]]:
    """Each numeric field below a schema: its path, and what makes the smallest content with it."""
    if reference := schema.get("$ref"):
        yield from numbers(root["$defs"][reference.rpartition("/")[2]], root)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from numbers(choice, root)
    if schema.get("type") in ("integer", "number"):
        yield (), lambda value: value
    for name, field in schema.get("properties", {}).items():
        for path, content in numbers(field, root):
            beside = {
                n: example(schema["properties"][n], root) for n in needed(schema) if n != name
            }
            yield (name, *path), lambda v, c=content, n=name, b=beside: {**b, n: c(v)}
    if isinstance(values := schema.get("additionalProperties"), dict):
        for path, content in numbers(values, root):
            yield ("a", *path), lambda v, c=content: {"a": c(v)}
    items = schema.get("items") or (schema.get("prefixItems") or [None])[0]
    if items:
        for path, content in numbers(items, root):
            count = max(1, schema.get("minItems", 1))
            yield path, lambda v, c=content, n=count: [c(v)] * n


def needed(schema: dict) -> list[str]:
    """The keys of a section that it cannot be without; a sampler's type is one."""
    constant = [name for name, field in schema["properties"].items() if "const" in field]
    return [*constant, *schema.get("required", [])]


def example(schema: dict, root: dict) -> Any:
    return schema.get("const", {"string": "pick", "integer": 1}.get(schema.get("type", "")))


SCHEMA = Config.model_json_schema()
FIELDS = {
    f"{'.'.join(path)} {i}": (path, content)
    for i, (path, content) in enumerate(numbers(SCHEMA, SCHEMA))
    if path[0] not in ("base", "models")  # a model is no number, and says so
}


def text_of(content: Any, value: str) -> str:
    return yaml.safe_dump(content).replace(HOLE, value)


def test_the_walk_finds_the_numbers_of_all_sections():
    paths = {path for path, _ in FIELDS.values()}
    for path in (
        ("seed",),
        ("budget", "patience", "share"),
        ("space", "weight", "models", "a"),
        ("objectives", "a", "mean", "weight"),
        ("prefer", "a"),
        ("workers", "gpus"),
        ("documents", "search"),
        ("sampler", "population"),
        ("merging", "reserve"),
    ):
        assert path in paths
    assert len(paths) > 40


@pytest.mark.parametrize("field", FIELDS)
def test_a_number_of_a_config_is_accepted_as_it_is_or_refused_by_name(field, config, tmp_path):
    path, content = FIELDS[field]
    config["methods"] = ["ties", "slerp", "breadcrumbs"]  # which have all the parameters
    named = path[-2] if path[-1] in SHORT else path[-1]
    for value in VALUES:
        file = tmp_path / "config.yaml"
        file.write_text(text_of({**config, path[0]: content(HOLE)[path[0]]}, value))
        read = ConfigFile(file)
        errors = read.errors or (_space_errors(read) if path[0] == "space" else [])
        if not errors:
            kept = yaml.safe_load(read.config.to_yaml())
            assert Config.model_validate(kept) == read.config, value
        for error in errors:
            assert error.startswith(path[0]), (value, errors)
            assert named in error, (value, errors)


@pytest.mark.parametrize("hours", ["nan", "inf"])
def test_a_raised_budget_is_checked_as_that_of_a_config_is(hours):
    from search.cli.search import _raised

    with pytest.raises(ValueError, match=f"--hours: must be a finite number .got {hours}"):
        _raised(Budget(), hours=float(hours))
    with pytest.raises(ValueError, match="--trials: must be less than 2147483648"):
        _raised(Budget(), trials=2**70)
    assert _raised(Budget(trials=5), trials=None, hours=2.0) == Budget(trials=5, hours=2.0)


def native(**group: Any) -> dict[str, Any]:
    return {
        "method": "ties",
        "base": "/base",
        "models": {"a": "/a", "b": "/b"},
        "groups": [{"parameters": {"weight": 1.0, "density": 0.5, **group.pop("at", {})}, **group}],
    }


def mergekit(weight: Any = 1, density: Any = 1, **parameters: Any) -> dict[str, Any]:
    own = {"parameters": {"weight": weight, "density": density}}
    return {
        "merge_method": "ties",
        "base_model": "WORLD/base",
        "models": [{"model": f"WORLD/{name}", **own} for name in "ab"],
        "parameters": parameters,
    }


RECIPES = {
    "seed": {**native(), "seed": HOLE},
    "layers": native(layers=[HOLE, 4]),
    "layers ": native(layers=[0, HOLE]),
    "weight": native(at={"weight": HOLE}),
    "weight ": native(at={"weight": {"a": HOLE, "b": 1.0}}),
    "density": native(at={"density": [HOLE, 1]}),
    "lambda": native(at={"lambda": HOLE}),
    "weight of mergekit": mergekit(weight=HOLE),
    "density of mergekit": mergekit(density=[1, HOLE]),
    "lambda of mergekit": mergekit(**{"lambda": HOLE}),
}


@pytest.mark.parametrize("field", RECIPES)
@pytest.mark.parametrize("value", VALUES)
def test_a_number_of_a_recipe_is_accepted_or_refused_by_name(field, value, world, tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(text_of(RECIPES[field], value).replace("WORLD", str(world)))
    try:
        recipe = read_recipe(file)
    except ValueError as error:
        message = str(error)
    else:
        assert type(recipe).from_yaml(recipe.to_yaml()).digest == recipe.digest
        return
    assert message.startswith(f"{file}")
    assert field.split()[0] in message


@pytest.mark.parametrize("layers", [[0.5, 2], [True, 2], ["0", 2], [0, None]])
def test_layers_of_a_recipe_are_whole_numbers(layers, tmp_path):
    file: Path = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(native(layers=layers)))
    with pytest.raises(ValueError, match=r"recipe: groups.0.layers: .* are not whole numbers"):
        read_recipe(file)


@pytest.mark.parametrize("text", ["2026-13-01", "9" * 5000])
def test_what_yaml_cannot_convert_is_an_error_of_the_file(text, config, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(text_of({**config, "name": HOLE}, text))
    with pytest.raises(ValueError, match=f"{file}: 1 error\n  not valid YAML: "):
        ConfigFile(file)
    file.write_text(text_of({**native(), "seed": HOLE}, text))
    with pytest.raises(ValueError, match=f"{file}: not valid YAML: "):
        read_recipe(file)

"""Merged vocabularies have the rows that mergekit 0.1.5 gives their tokens.

The golden outputs are made by scripts/golden_vocabularies.py, in an environment of mergekit's own.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open

from workers import mergekit
from workers.checkpoint import align, load_tokenizer, open_checkpoint, retokenize
from workers.merging import Engine, MergeSettings

GOLDEN = Path(__file__).parent / "golden" / "vocabularies"
RECIPES = sorted((GOLDEN / "recipes").glob("*.yml"))
pytestmark = [
    pytest.mark.usefixtures("cache"),
    pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem),
]


@pytest.fixture(autouse=True)
def _in_the_models_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN / "models")


def golden(recipe: str) -> tuple[dict[str, torch.Tensor], dict[str, int]]:
    with safe_open(GOLDEN / "merged.safetensors", framework="pt") as stored:
        ids = json.loads(stored.metadata()["ids"])[recipe]
        names = [key for key in [*stored.keys()] if key.startswith(f"{recipe}/")]
        return {key.partition("/")[2]: stored.get_tensor(key) for key in names}, ids


def test_every_token_has_the_row_that_mergekit_gives_it(file):
    recipe = mergekit.read(file.read_text(), file.name)
    opened = align(
        retokenize({n: open_checkpoint(s) for n, s in recipe.sources.items()}, recipe.tokenizer)
    )
    ids = load_tokenizer(next(iter(opened.values()))).get_vocab()
    base = opened.pop("base", None)
    engine = Engine(opened, base, settings=MergeSettings(mode="eager", statistics="asked"))
    expected, their_ids = golden(file.stem)
    assert ids.keys() == their_ids.keys()  # mergekit's order of added tokens is arbitrary
    assert len(expected) == 2
    for name, tensor in expected.items():
        merged = engine.merge(recipe, name)
        assert merged.shape == tensor.shape
        for token, row in ids.items():
            torch.testing.assert_close(merged[row], tensor[their_ids[token]], msg=f"{name} {token}")
        torch.testing.assert_close(merged[len(ids) :], tensor[len(ids) :])


def test_what_is_written_of_it_is_read_back_as_it_was(file):
    recipe = mergekit.read(file.read_text(), file.name)
    written = mergekit.write(recipe)
    assert mergekit.read(written, "back").digest == recipe.digest
    body = "\n".join(line for line in written.splitlines() if not line.startswith("#"))
    assert mergekit.read(body, "body").tokenizer == recipe.tokenizer
    given, again = (yaml.safe_load(text) for text in (file.read_text(), body))
    for key in ("tokenizer_source", "tokenizer"):
        assert again.get(key) == given.get(key)

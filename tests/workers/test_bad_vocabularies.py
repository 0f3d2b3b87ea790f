"""Vocabularies that cannot be merged: each error names file, token or row, and the fix."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.workers.makers import make_model
from workers.checkpoint import check_memory, open_checkpoint, with_vocabulary_rows
from workers.merge import merge
from workers.recipe import Group, Recipe, Source

pytestmark = pytest.mark.usefixtures("cache")


def merged(base: Path, other: Path, out: Path, tokenizer: Any) -> None:
    recipe = Recipe(
        "linear",
        {"other": Source(str(other))},
        (Group({"weight": 1.0}),),
        base=Source(str(base)),
        tokenizer=tokenizer,
    )
    merge(recipe, out)


def edit_tokenizer(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def byte_pairs(folder: Path, merges: list[tuple[str, str]]) -> None:
    """A tokenizer that joins these pairs of letters."""
    words = ["<s>", "</s>", "a", "b", "c", *("".join(pair) for pair in merges)]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)


def test_a_vocabulary_beyond_the_memory_is_refused_with_both_sizes(zoo):
    base = open_checkpoint(Source(str(zoo())))
    check_memory(base)
    larger = replace(base, tensors=with_vocabulary_rows(base.tensors, 10**12))
    with pytest.raises(
        ValueError, match=r"1000000000000 vocabulary rows, needs .* TB of memory, an"
    ):
        check_memory(larger)


def test_ids_with_a_gap_are_refused_because_text_is_encoded_otherwise(zoo, tmp_path):
    other = make_model(tmp_path / "other", seed=1)
    entry = {"content": "<far>", "id": 45, "special": True, "normalized": False}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    edit_tokenizer(other, lambda each: each["added_tokens"].append(entry | flags))
    expected = r"tokenizer\.json: token '<far>' has id 45, but .* encodes it as 40.*without a gap"
    with pytest.raises(ValueError, match=expected):
        merged(zoo(), other, tmp_path / "out", "union")


def test_other_merges_cannot_be_united_but_can_be_matched_by_token(tmp_path):
    base, other = (make_model(tmp_path / name, seed=i) for i, name in enumerate(("base", "other")))
    byte_pairs(base, [("a", "b")])
    byte_pairs(other, [("b", "c")])
    expected = r"other/tokenizer\.json: other splits text into other tokens than base .*only models"
    with pytest.raises(ValueError, match=expected):
        merged(base, other, tmp_path / "out", "union")
    merged(base, other, tmp_path / "out", "other")
    rows = [
        load_file(tmp_path / n / "model.safetensors")["lm_head.weight"][5] for n in ("out", "other")
    ]
    assert torch.equal(*rows)


def test_a_model_without_tokens_is_named(zoo, tmp_path):
    other = make_model(tmp_path / "other", seed=1)
    (other / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"/other: other has no tokenizer\.json, so the tokens of"):
        merged(zoo(), other, tmp_path / "out", "union")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"model": "other", "token": "no"}, r"'<x>': \S+tokenizer\.json has no token 'no'; name a"),
        ("base", r"'<x>': \S+tokenizer\.json has no token '<x>'"),
        ({"model": "other", "id": 48}, "'<x>': row 48 of other does not exist; it has 48 rows"),
    ],
)
def test_a_chosen_row_that_does_not_exist_is_named(row, expected, zoo, tmp_path):
    with pytest.raises(ValueError, match=expected):
        merged(zoo(), zoo(seed=1), tmp_path / "out", {"source": "union", "tokens": {"<x>": row}})


def test_a_row_that_is_too_large_for_the_dtype_of_a_model_is_named(tmp_path):
    base = make_model(tmp_path / "base", dtype=torch.float16)
    other = make_model(tmp_path / "other", seed=1, dtype=torch.bfloat16, words=[*WIDE])
    tensors = load_file(other / "model.safetensors")
    tensors["lm_head.weight"][2] = 1e6
    save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
    expected = (
        r"base: lm_head\.weight is float16, which cannot hold the bfloat16 row of token '<wide>' "
        r"of other; convert this model to bfloat16"
    )
    with pytest.raises(ValueError, match=expected):
        merged(base, other, tmp_path / "out", "union")
    assert not (tmp_path / "out").exists()


WIDE = ["<s>", "</s>", "<wide>", *(f"w{i}" for i in range(37))]


def test_a_cache_without_space_for_the_vocabulary_is_named(zoo, tmp_path, monkeypatch, cache):
    other = make_model(tmp_path / "other", seed=1, words=WIDE)
    usage = type(shutil.disk_usage(tmp_path))

    def free(folder: Path) -> object:
        return usage(10**9, 0, 1000 if cache in Path(folder).parents else 10**9)

    monkeypatch.setattr(shutil, "disk_usage", free)
    expected = r"vocabularies: not enough space for changed tensors: .*XDG_CACHE_HOME"
    with pytest.raises(ValueError, match=expected):
        merged(zoo(), other, tmp_path / "out", "base")


def test_without_a_tokenizer_other_vocabularies_are_refused_and_the_fix_is_named(zoo, tmp_path):
    other = make_model(tmp_path / "other", seed=1, words=WIDE)
    expected = r"token 'w0' is row 3, in base that row is 'w1'; .*set `tokenizer: union`"
    with pytest.raises(ValueError, match=expected):
        merged(zoo(), other, tmp_path / "out", None)

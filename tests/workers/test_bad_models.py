"""What users bring is messy: each fault is named with file, tensor or field, values and the fix."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.workers.makers import WORDS, make_adapter, make_model, make_tokenizer, tensors
from workers.checkpoint import open_checkpoint
from workers.merge import merge
from workers.recipe import Group, Recipe, Source

pytestmark = pytest.mark.usefixtures("cache")
FILE = "model.safetensors"
Change = Callable[[Path], None]


def config(**changes: Any) -> Change:
    return lambda folder: edit_json(folder / "config.json", changes)


def edit_json(file: Path, changes: dict[str, Any]) -> None:
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def header(old: bytes, new: bytes) -> Change:
    def apply(folder: Path) -> None:
        content = (folder / FILE).read_bytes()
        assert old in content
        assert len(old) == len(new)
        (folder / FILE).write_bytes(content.replace(old, new, 1))

    return apply


def cut(size: int) -> Change:
    return lambda folder: (folder / FILE).write_bytes((folder / FILE).read_bytes()[:size]) and None


def shards(then: Change) -> Change:
    def apply(folder: Path) -> None:
        model = AutoModelForCausalLM.from_pretrained(folder)
        (folder / FILE).unlink()
        model.save_pretrained(folder, max_shard_size="4KB")
        then(folder)

    return apply


def index(change: Callable[[dict[str, str]], object]) -> Change:
    def apply(folder: Path) -> None:
        file = folder / "model.safetensors.index.json"
        content = json.loads(file.read_text())
        change(content["weight_map"])
        file.write_text(json.dumps(content))

    return shards(apply)


def tokenizer(words: list[str]) -> Change:
    return lambda folder: make_tokenizer(folder, words)


def remove(name: str) -> Change:
    return lambda folder: next(folder.glob(name)).unlink()


def only_pickled(folder: Path) -> None:
    (folder / FILE).rename(folder / "pytorch_model.bin")


def tied_head_of_40_rows(folder: Path) -> None:
    config(tie_word_embeddings=True)(folder)
    tensors(lambda t: t.update({"lm_head.weight": torch.zeros(40, 16)}))(folder)


def swapped(words: list[str]) -> list[str]:
    return [*words[:10], words[11], words[10], *words[12:]]


Q = "model.layers.0.self_attn.q_proj.weight"
CASES: dict[str, tuple[Change, str]] = {
    "truncated": (cut(5000), rf"{FILE}: 5000 bytes, but its header describes \d+; download"),
    "cut within the header": (cut(300), rf"{FILE}: not a safetensors file, or truncated \(300"),
    "empty": (cut(0), rf"{FILE}: not a safetensors file, or truncated \(0 bytes\)"),
    "not safetensors": (
        lambda f: (f / FILE).write_text("<html>not found</html>") and None,
        rf"{FILE}: not a safetensors file",
    ),
    "corrupt header": (header(b'"shape":', b'"shape"?'), rf"{FILE}: the safetensors header is dam"),
    "header that lies": (
        header(b'"shape":[16,16]', b'"shape":[16,15]'),
        rf"{FILE}: model\.layers\.\S+ has 1024 bytes, but F32 \[16, 15\] needs 960",
    ),
    "missing shard": (
        shards(remove("model-00002*")),
        r"model-00002-of-\d+\.safetensors: this shard is listed in .*index.json but does not exist",
    ),
    "index outside the folder": (
        index(lambda m: m.update({Q: "../base/model.safetensors"})),
        rf"index.json: {Q} is in '\.\./base/model\.safetensors'; a shard must be a file in this f",
    ),
    "index of another download": (
        index(lambda m: m.update({"model.extra.weight": m[Q]})),
        r"model\.extra\.weight is missing here, though .*index\.json lists it",
    ),
    "no weight map": (
        shards(lambda f: edit_json(f / "model.safetensors.index.json", {"weight_map": ...})),
        r"index\.json: has no weight_map",
    ),
    "no weights": (remove(FILE), r"bad: no model\.safetensors and no .*index\.json; is this a mo"),
    "pickled weights": (
        only_pickled,
        r"pytorch_model\.bin: pickled weights are not read.*save_p",
    ),
    "no config": (remove("config.json"), r"config\.json: not found; is this a model directory"),
    "config that is no JSON": (
        lambda f: (f / "config.json").write_text("{") and None,
        r"config\.json: not valid JSON",
    ),
    "missing tensor": (tensors(lambda t: t.pop(Q)), rf"bad: has no tensor {Q}, which its config"),
    "extra tensor": (
        tensors(lambda t: t.update({"model.extra.weight": torch.zeros(2)})),
        rf"{FILE}: model\.extra\.weight is not a tensor of a llama with this config",
    ),
    "another shape": (
        tensors(lambda t: t.update({Q: torch.zeros(8, 16)})),
        rf"{FILE}: {Q} is \[8, 16\], but config\.json requires \[16, 16\]",
    ),
    "tied head of another shape": (
        tied_head_of_40_rows,
        rf"{FILE}: lm_head\.weight is \[40, 16\], but config\.json requires \[48, 16\]",
    ),
    "integers": (
        tensors(lambda t: t.update({Q: torch.zeros(16, 16, dtype=torch.int8)})),
        rf"{FILE}: {Q} is int8; only float32, float16, bfloat16 can be merged",
    ),
    "NaN": (tensors(lambda t: t[Q].fill_(float("nan"))), rf"'a': {Q} has values that are not fin"),
    "quantised": (
        config(quantization_config={"bits": 4}),
        r"config\.json: is quantised; merge ",
    ),
    "remote code": (config(auto_map={"AutoConfig": "x.Y"}), r"config\.json: runs code of its own"),
    "unknown kind": (
        config(model_type="qwen9"),
        r"model_type 'qwen9' is not known to tr",
    ),
    "no language model": (
        config(model_type="vit"),
        r"model_type 'vit' is not a causal lang",
    ),
    "config that contradicts itself": (
        config(num_attention_heads=5),
        r"config\.json: transf",
    ),
    "config with text for a number": (config(hidden_size="big"), r"config\.json: transformers can"),
    "config with biases": (config(attention_bias=True), r"has no tensor \S+bias and 7 others, wh"),
    "another activation": (config(hidden_act="gelu"), r"hidden_act is 'gelu', base has 'silu'"),
    "more tokens than rows": (
        tokenizer([f"t{i}" for i in range(60)]),
        r"tokenizer\.json: has 62 tokens, but the embedding has 48 rows",
    ),
    "tokens in other rows": (
        tokenizer(swapped(WORDS)),
        r"tokenizer\.json: token 'w9' is row 10, in base that row is 'w8'; rows of different tok",
    ),
    "damaged tokenizer": (
        lambda f: (f / "tokenizer.json").write_text('{"model": 3}') and None,
        r"tokenizer\.json: contains no vocabulary; download it again",
    ),
    "special token without a row": (
        config(eos_token_id=50),
        r"eos_token_id is 50, but there are 4",
    ),
}


def merged(base: Path, model: str | Path, other: Path, out: Path, **fields: Any) -> None:
    models = {"a": Source.parse(str(model)), "b": Source(str(other))}
    group = Group({"weight": 0.5, "density": 0.5})
    merge(Recipe("ties", models, (group,), Source(str(base)), **fields), out)


@pytest.mark.parametrize("case", CASES)
def test_a_bad_model_is_named_and_nothing_is_written(case, zoo, tmp_path):
    change, expected = CASES[case]
    bad = shutil.copytree(zoo(seed=1), tmp_path / "bad")
    change(bad)
    with pytest.raises(ValueError, match=expected):
        merged(zoo(), bad, zoo(seed=2), tmp_path / "made" / "out")
    assert not list((tmp_path / "made").glob("*"))


MADE: dict[str, tuple[dict[str, Any], str]] = {
    "another architecture": ({"architecture": "mistral"}, "model_type is 'mistral', base has 'll"),
    "wider": ({"hidden_size": 32, "head_dim": 8}, "hidden_size is 32, base has 16"),
    "deeper": ({"num_hidden_layers": 3}, "num_hidden_layers is 3, base has 2; .*merge models of"),
    "other heads": ({"num_key_value_heads": 4}, "num_key_value_heads is 4, base has 2"),
    "biases": (
        {"attention_bias": True},
        r"base has no tensor model\.layers\.0\.self_attn\.\S+bi",
    ),
    "more tokens": (
        {"vocab_size": 60, "words": [*WORDS, *(f"x{i}" for i in range(12))]},
        r"vocab_size is 60, base has 48, and 52 rows are tokens, not padding; set `tokenizer",
    ),
}


@pytest.mark.parametrize("case", MADE)
def test_a_model_of_another_kind_is_named_with_both_values(case, zoo, tmp_path):
    changes, expected = MADE[case]
    other = make_model(tmp_path / "bad", seed=1, **changes)
    with pytest.raises(ValueError, match=expected):
        merged(zoo(), other, zoo(seed=2), tmp_path / "made" / "out")
    assert not list((tmp_path / "made").glob("*"))


ADAPTERS: dict[str, tuple[Change, str]] = {
    "of another base": (lambda f: None, r"lora_B\.weight is \[32, 3\], but .* of the model is \["),
    "of another architecture": (
        lambda f: rename(f, "self_attn", "attn"),
        r"q_proj\.lora_A\.weight changes model\.layers\.0\.attn\.q_proj\.weight, but .* has no "
        r"such tensor; it was trained on .*: apply it to that model",
    ),
    "of another kind": (
        lambda f: edit_json(f / "adapter_config.json", {"peft_type": "IA3"}),
        r"adapter_config\.json: peft_type is 'IA3'; only LORA can be merged",
    ),
    "of another rank": (
        lambda f: edit_json(f / "adapter_config.json", {"r": 8}),
        r"lora_A\.weight is \[3, \d+\], of rank 3, but the rank in adapter_config\.json is 8",
    ),
    "half of it": (
        lambda f: rename(f, "q_proj.lora_B", "q_proj.lora_C"),
        r"has .*q_proj\.lora_A\.weight, but no lora_B\.weight beside it; the file is incomplete",
    ),
    "without a rank": (
        lambda f: edit_json(f / "adapter_config.json", {"r": ...}),
        r"adapter_config\.json: r is missing",
    ),
    "without a config": (remove("adapter_config.json"), r"no adapter_config\.json; is this a LoRA"),
    "without weights": (remove("*.safetensors"), r"adapter_model\.safetensors: does not exist"),
    "pickled": (
        lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin") and None,
        r"adapter_model\.bin: pickled weights are not read; load the adapter with peft",
    ),
}


def rename(folder: Path, old: str, new: str) -> None:
    file = folder / "adapter_model.safetensors"
    content = {name.replace(old, new): tensor for name, tensor in load_file(file).items()}
    save_file(content, file)


@pytest.mark.parametrize("case", ADAPTERS)
def test_a_bad_adapter_is_named(case, zoo, tmp_path):
    change, expected = ADAPTERS[case]
    trained_on = zoo(hidden_size=32) if case == "of another base" else zoo()
    adapter = make_adapter(tmp_path / "adapter", trained_on)
    change(adapter)
    with pytest.raises(ValueError, match=expected):
        merged(zoo(), f"{zoo(seed=1)} + {adapter}", zoo(seed=2), tmp_path / "made" / "out")
    assert not list((tmp_path / "made").glob("*"))


GROWN: dict[str, tuple[dict[str, Any], str]] = {
    "an adapted head": (
        {"target_modules": ["lm_head"]},
        r"lm_head\.lora_B\.weight is \[50, 3\], but lm_head\.weight of the model is \[48, 16\]; "
        r"it may have been trained with 2 added tokens, whose rows it does not contain: load",
    ),
    "a saved head": (
        {"modules_to_save": ["lm_head"]},
        r"contains a vocabulary of 50 rows, and model\.embed_tokens\.weight of .* has 48, but "
        r"it lacks the rows that were added to model\.embed_tokens\.weight in training; load model",
    ),
    "tokens": (
        {"trainable_token_indices": [48, 49]},
        r"adapter_config\.json: trainable_token_indices contains 49, but .* has 48 rows; ",
    ),
}


@pytest.mark.parametrize("case", GROWN)
def test_an_adapter_without_the_rows_of_added_tokens_is_named(case, zoo, tmp_path):
    settings, expected = GROWN[case]
    adapter = make_adapter(
        tmp_path / "adapter", zoo(), rows=50, save_embedding_layers=False, **settings
    )
    with pytest.raises(ValueError, match=expected):
        open_checkpoint(Source(str(zoo()), adapter=str(adapter)))


def test_tokens_that_an_adapter_adds_are_not_cut_off(zoo, tmp_path):
    adapter = make_adapter(
        tmp_path / "adapter", zoo(), rows=50, modules_to_save=["embed_tokens", "lm_head"]
    )
    for words, expected in (
        (None, r"vocab_size is 50, base has 48, and without tokenizer\.json of both"),
        (
            [*WORDS, *(f"x{i}" for i in range(10))],
            r"vocab_size is 50, base has 48, and 50 rows are",
        ),
    ):
        if words:
            make_tokenizer(adapter, words)
        with pytest.raises(ValueError, match=expected):
            merged(zoo(), f"{zoo()} + {adapter}", zoo(seed=2), tmp_path / "made" / "out")


def test_what_peft_says_of_an_adapter_is_named(zoo, tmp_path, cache):
    adapter = make_adapter(tmp_path / "adapter", zoo(), use_dora=True)
    edit_json(adapter / "adapter_config.json", {"target_modules": ["nothing"]})
    checkpoint = open_checkpoint(Source(str(zoo()), adapter=str(adapter)))
    with pytest.raises(ValueError, match=r"adapter: peft cannot apply it to .*: Target modules"):
        checkpoint.tensor("model.layers.0.mlp.down_proj.weight")
    assert not list((cache / "adapters").iterdir())


def test_a_place_that_is_no_model_is_named(zoo, tmp_path):
    for place, expected in {
        tmp_path / "nowhere": "directory .*/nowhere does not exist; give a directory, or a hub id",
        zoo() / "config.json": r"model directory .*config\.json is a file",
        f"{zoo()}@v1": "a local directory has no revision; remove 'v1'",
        "org/nothing": "org/nothing: not a local directory, and not available from the hub",
        "org/no thing": "org/no thing: is neither a local directory nor a hub id",
        f"{zoo()} + {tmp_path}": r"no adapter_config\.json; is this a LoRA adapter",
        "a + b + c": "expected `path . adapter`",
    }.items():
        with pytest.raises(ValueError, match=expected):
            merged(zoo(), place, zoo(seed=2), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_has_changed_since_the_recipe_is_named(zoo, tmp_path):
    models = {"a": Source(str(zoo(seed=1)), fingerprint="ab" * 16)}
    recipe = Recipe("linear", models, (Group({"weight": 1.0}),))
    with pytest.raises(ValueError, match=r"the recipe was made for abab.*; find that version"):
        merge(recipe, tmp_path / "out")


def test_no_space_is_said_before_anything_is_written(zoo, tmp_path, monkeypatch):
    usage = type(shutil.disk_usage(tmp_path))(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        ValueError, match=r"out: not enough space: it needs 0\.00 GB and .* has 0\.00 GB"
    ):
        merged(zoo(), zoo(seed=1), zoo(seed=2), tmp_path / "made" / "out")
    assert not list((tmp_path / "made").iterdir())


def test_a_target_that_cannot_be_made_is_named(zoo, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be made: Not a directory"):
        merged(zoo(), zoo(seed=1), zoo(seed=2), tmp_path / "file" / "deep" / "out")


def test_a_target_with_dots_lands_where_it_says(zoo, tmp_path):
    (tmp_path / "here").mkdir()
    merged(zoo(), zoo(seed=1), zoo(seed=2), tmp_path / "here" / ".." / "there" / ".." / "out")
    assert (tmp_path / "out" / "config.json").exists()
    assert not list(tmp_path.rglob("*.unfinished"))


def test_every_fault_of_every_model_is_named_at_once(zoo, tmp_path):
    one, other = (shutil.copytree(zoo(seed=i), tmp_path / f"m{i}") for i in (1, 2))
    config(auto_map={"x": "y"})(one)
    cut(100)(other)
    with pytest.raises(ValueError, match=r"(?s)models\.a: .*auto_map.*models\.b: .*truncated"):
        merged(zoo(), one, other, tmp_path / "out")

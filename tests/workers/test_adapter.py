"""`path + adapter` reads as the model that peft makes of the two, to the last bit."""

from __future__ import annotations

import pytest
import torch

from tests.workers.makers import WORDS, make_adapter, make_tokenizer
from workers.checkpoint import load_model, load_tokenizer, open_checkpoint
from workers.merge import merge
from workers.merging import Engine
from workers.recipe import Group, Recipe, Source

pytestmark = [
    pytest.mark.filterwarnings(  # peft 0.21 asks transformers 5.23 the old way
        "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
    ),
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning"),
]

PLAIN = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "every linear": {"target_modules": "all-linear"},
}
OTHER = {
    "dora": {"use_dora": True, "target_modules": "all-linear"},
    "rank pattern": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 9}},
    "some layers": {"alpha_pattern": {"q_proj": 9}, "layers_to_transform": [1]},
    "saved modules": {"modules_to_save": ["lm_head"]},
    "biases": {"bias": "lora_only", "target_modules": ["q_proj"]},
    "embedding": {"target_modules": ["embed_tokens", "q_proj"]},
    "tokens": {"trainable_token_indices": [3, 7]},
}
BOTH = ["embed_tokens", "lm_head"]
OWN_HEAD = {
    "head": {"target_modules": ["q_proj", "lm_head"]},
    "head without base weights": {"target_modules": ["lm_head"], "save_embedding_layers": False},
    "embedding": {"target_modules": ["q_proj", "embed_tokens"]},
    "both": {"target_modules": BOTH},
    "saved head": {"modules_to_save": ["lm_head"]},
    "saved embedding": {"modules_to_save": ["embed_tokens"]},
    "both saved": {"modules_to_save": BOTH},
    "more rows of both": {"modules_to_save": BOTH, "rows": 50},
    "more rows of the head": {"target_modules": ["lm_head"], "rows": 50},
    "other tokens": {"trainable_token_indices": {"embed_tokens": [3, 7], "lm_head": [3, 8]}},
    "tokens of the head": {"trainable_token_indices": {"lm_head": [3, 7]}},
}
TIED = {
    "plain": {},
    "both as one": {"target_modules": ["embed_tokens"], "ensure_weight_tying": True},
    "both saved as one": {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    "tokens": {"trainable_token_indices": [3, 7]},
    "tokens of both": {"trainable_token_indices": {name: [3, 7] for name in BOTH}},
    "more rows": {"rows": 50},
    "fewer rows": {"rows": 45},
    "more tokens": {"trainable_token_indices": [48, 49], "rows": 50},
}
MORE_ROWS = {
    "saved": {"modules_to_save": BOTH},
    "adapted": {"target_modules": BOTH},
    "untouched": {},
    "tokens": {"trainable_token_indices": [48, 49]},
}


def by_peft(model, adapter, dtype):
    import peft
    from transformers import AutoModelForCausalLM

    live = AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    merged = peft.PeftModel.from_pretrained(live, adapter).merge_and_unload(safe_merge=True)
    return dict(merged.named_parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", [*PLAIN, *OTHER])
@pytest.mark.usefixtures("cache")
def test_reads_as_peft_merges(kind, dtype, zoo, tmp_path):
    changes = {"attention_bias": True} if kind == "biases" else {}
    model = zoo("llama", dtype=dtype, **changes)
    adapter = make_adapter(tmp_path / "adapter", model, **{**PLAIN, **OTHER}[kind])
    read = open_checkpoint(Source(str(model), adapter=str(adapter)))
    assert read.adapter.is_plain == (kind in PLAIN)
    expected = by_peft(model, adapter, dtype)
    assert expected.keys() == read.tensors.keys()
    for name, tensor in expected.items():
        assert torch.equal(read.tensor(name), tensor), name
    changed = [n for n, t in expected.items() if not torch.equal(read.original.tensor(n), t)]
    assert set(changed) == set(read.changes)


@pytest.mark.usefixtures("cache")
def test_transposed_weights_of_gpt2_take_an_adapter(zoo, tmp_path):
    model = zoo("gpt2")
    settings = {"target_modules": ["c_attn"], "fan_in_fan_out": True}
    adapter = make_adapter(tmp_path / "adapter", model, **settings)
    read = open_checkpoint(Source(str(model), adapter=str(adapter)))
    for name, tensor in by_peft(model, adapter, torch.float32).items():
        assert torch.equal(read.tensor(name), tensor), name


def logits(model, rows=48):
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(2, rows)[None]).logits


def by_live_peft(model, adapter, rows):
    import peft
    from transformers import AutoModelForCausalLM

    live = AutoModelForCausalLM.from_pretrained(model)
    live.resize_token_embeddings(rows, mean_resizing=False)
    return logits(peft.PeftModel.from_pretrained(live, adapter), rows)


def as_files(source, out):
    from transformers import AutoModelForCausalLM

    merge(Recipe("passthrough", {"a": source}, (Group({}),)), out)
    return AutoModelForCausalLM.from_pretrained(out)


def check_against_live_peft(model, tmp_path, rows=48, **settings):
    """The opened checkpoint, once its live model and its files have the logits of live peft."""
    if rows != 48:
        settings["rows"] = rows
    adapter = make_adapter(tmp_path / "adapter", model, **settings)
    make_tokenizer(adapter, [*WORDS, *(f"new{i}" for i in range(rows - len(WORDS)))])
    source = Source(str(model), adapter=str(adapter))
    read, expected = open_checkpoint(source), by_live_peft(model, adapter, rows)
    files = as_files(source, tmp_path / "out")
    for ours in (load_model(read), files):
        torch.testing.assert_close(logits(ours, rows), expected, rtol=0, atol=1e-6)
    assert files.config.tie_word_embeddings == read.tied
    assert files.config.vocab_size == read.vocabulary_rows == rows
    return read


@pytest.mark.parametrize("kind", OWN_HEAD)
@pytest.mark.usefixtures("cache")
def test_a_tied_model_gets_a_head_of_its_own_where_head_and_embedding_part(kind, zoo, tmp_path):
    read = check_against_live_peft(zoo(tie_word_embeddings=True), tmp_path, **OWN_HEAD[kind])
    assert not read.tied
    assert read.original.tied
    assert read.adapter.is_plain == (kind == "head without base weights")


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.usefixtures("cache")
def test_a_tied_model_stays_tied_where_head_and_embedding_are_one(kind, zoo, tmp_path):
    assert check_against_live_peft(zoo(tie_word_embeddings=True), tmp_path, **TIED[kind]).tied


@pytest.mark.usefixtures("cache")
def test_the_head_of_gpt2_takes_an_adapter(zoo, tmp_path):
    assert not check_against_live_peft(zoo("gpt2"), tmp_path, target_modules=["lm_head"]).tied


@pytest.mark.parametrize("kind", MORE_ROWS)
@pytest.mark.usefixtures("cache")
def test_tokens_that_were_added_in_training_are_in_the_model(kind, zoo, tmp_path):
    read = check_against_live_peft(zoo(), tmp_path, rows=50, **MORE_ROWS[kind])
    assert load_tokenizer(read).convert_tokens_to_ids("new9") == 49
    assert load_tokenizer(open_checkpoint(Source(str(tmp_path / "out")))).vocab_size == 50


@pytest.mark.usefixtures("cache")
def test_a_model_that_an_adapter_unties_merges_with_tied_models(zoo, tmp_path):
    base, *models = (zoo(tie_word_embeddings=True, seed=seed) for seed in range(3))
    adapter = make_adapter(tmp_path / "adapter", models[0], target_modules=["q_proj", "lm_head"])
    source = Source(str(models[0]), adapter=str(adapter))
    as_files(source, tmp_path / "whole")
    for name, one in (("adapted", source), ("saved", Source(str(tmp_path / "whole")))):
        sources = {"a": one, "b": Source(str(models[1]))}
        weights = Group({"weight": {"a": 0.5, "b": 0.25}})
        said = merge(
            Recipe("task_arithmetic", sources, (weights,), Source(str(base))), tmp_path / name
        )
        assert [str(finding).count("tie_word_embeddings is False") for finding in said] == [1]
    adapted, saved = (open_checkpoint(Source(str(tmp_path / n))) for n in ("adapted", "saved"))
    assert adapted.fingerprint == saved.fingerprint
    assert not adapted.tied


@pytest.mark.usefixtures("cache")
def test_a_base_that_an_adapter_unties_and_enlarges_is_merged_live_as_in_files(zoo, tmp_path):
    plain = zoo(tie_word_embeddings=True)
    paths = [tmp_path / "a", tmp_path / "b"]
    for seed, path in enumerate(paths):
        make_tokenizer(make_adapter(path, plain, seed, rows=50, modules_to_save=BOTH), WORDS)
    base, other = (Source(str(plain), adapter=str(path)) for path in paths)
    recipe = Recipe("linear", {"b": other}, (Group({"weight": 0.5}),), base)
    merge(recipe, tmp_path / "out")
    opened = {"base": open_checkpoint(base), "b": open_checkpoint(other)}
    live, engine = load_model(opened["base"]), Engine({"b": opened["b"]}, base=opened["base"])
    engine.apply(recipe, live)
    files = open_checkpoint(Source(str(tmp_path / "out")))
    assert files.tensors.keys() == dict(live.named_parameters()).keys()
    for name, tensor in live.named_parameters():
        assert torch.equal(tensor, files.tensor(name)), name


@pytest.mark.parametrize("kind", ["lora", "dora", "both saved"])
@pytest.mark.usefixtures("cache")
def test_nothing_of_peft_or_transformers_is_on_the_terminal(kind, zoo, tmp_path, capfd, recwarn):
    model = zoo(tie_word_embeddings=True)
    adapter = make_adapter(tmp_path / "adapter", model, **{**PLAIN, **OTHER, **OWN_HEAD}[kind])
    capfd.readouterr()
    recwarn.clear()
    load_model(open_checkpoint(Source(str(model), adapter=str(adapter))))
    assert capfd.readouterr() == ("", "")
    assert not list(recwarn)


@pytest.mark.usefixtures("cache")
def test_a_live_model_has_its_adapter(zoo, tmp_path):
    adapter = make_adapter(tmp_path / "adapter", zoo())
    read = open_checkpoint(Source(str(zoo()), adapter=str(adapter)))
    live = dict(load_model(read).named_parameters())
    assert all(torch.equal(read.tensor(name), live[name]) for name in read.tensors)


def test_what_changes_is_written_once_and_never_half(zoo, tmp_path, cache):
    adapter = make_adapter(tmp_path / "adapter", zoo())
    for _ in range(2):
        read = open_checkpoint(Source(str(zoo()), adapter=str(adapter)))
        read.tensor("model.layers.0.self_attn.q_proj.weight")
    files = list((cache / "adapters").iterdir())
    assert [file.suffix for file in files] == [".safetensors"]
    assert files[0].stat().st_size < sum(t.nbytes for t in read.tensors.values()) / 2


def test_a_fingerprint_names_model_and_adapter(zoo, tmp_path, cache):
    one, other = (make_adapter(tmp_path / f"a{i}", zoo(), seed=i) for i in (1, 2))
    prints = {
        open_checkpoint(Source(str(zoo()), adapter=place)).fingerprint
        for place in (None, str(one), str(other))
    }
    assert len(prints) == 3

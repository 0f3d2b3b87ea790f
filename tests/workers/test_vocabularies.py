"""Models with different vocabularies: their rows are matched by token, in files and live."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.workers.makers import WORDS, make_model, merged_live
from workers.checkpoint import (
    Checkpoint,
    align,
    load_tokenizer,
    open_checkpoint,
    retokenize,
)
from workers.merge import merge
from workers.recipe import Group, Recipe, Source, TokenizerChoice

pytestmark = pytest.mark.usefixtures("cache")
FULL = [*WORDS, *(f"x{i}" for i in range(8))]
"""As many words as rows: no padding."""
CHATML = ["<|im_start|>", "<|im_end|>"]
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def add_tokens(folder: Path, tokens: list[str], *, eos: str | None = None) -> Path:
    """Adds tokens as users do; new rows are random, and numbers beyond the padding need some."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(tokens, special_tokens=True)
    if eos:
        tokenizer.eos_token = eos
        model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    if len(tokenizer) > model.config.vocab_size:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def family(request, tmp_path_factory) -> dict[str, Source]:
    """A base and two fine-tunes of it; the chat model has two more tokens and rows."""
    root = tmp_path_factory.mktemp("family")
    for seed, name in enumerate(("base", "code", "chat")):
        make_model(root / name, seed=seed, words=FULL, tie_word_embeddings=request.param)
    add_tokens(root / "chat", CHATML, eos="<|im_end|>")
    return {name: Source(str(root / name)) for name in ("base", "code", "chat")}


@pytest.fixture(scope="module")
def padded(tmp_path_factory) -> dict[str, Source]:
    """A base with 48 rows and 40 tokens; `chat` has two and `long` nine more."""
    root = tmp_path_factory.mktemp("padded")
    for seed, name in enumerate(("base", "chat", "long")):
        make_model(root / name, seed=seed)
    add_tokens(root / "chat", CHATML)
    add_tokens(root / "long", ["<|im_end|>", *(f"<t{i}>" for i in range(8))])
    return {name: Source(str(root / name)) for name in ("base", "chat", "long")}


def linear(models: dict[str, Source], tokenizer: object, **weights: float) -> Recipe:
    """The weighted sum of some of the models, with the base's rows for what they lack."""
    return Recipe(
        "linear",
        {name: models[name] for name in weights},
        (Group({"weight": weights, "normalize": False}),),
        base=models["base"],
        tokenizer=tokenizer,
    )


def opened(recipe: Recipe) -> dict[str, Checkpoint]:
    found = {name: open_checkpoint(source) for name, source in recipe.token_sources.items()}
    return align(retokenize(found, recipe.tokenizer))


def read(source: Source | Path) -> Checkpoint:
    return open_checkpoint(source if isinstance(source, Source) else Source(str(source)))


@cache
def rows_of(folder: str, name: str) -> dict[str, torch.Tensor]:
    """The rows by token, looked up through the model's own tokenizer."""
    tensor = read(Path(folder)).tensor(name)
    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    return {token: tensor[at] for token, at in vocabulary.items()}


def row(source: Source, name: str, token: str) -> torch.Tensor:
    return rows_of(source.path, name)[token]


def merged_rows(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return rows_of(str(folder), name)


@pytest.mark.parametrize(
    ("tokenizer", "rows", "lacking"),
    [("base", 48, None), ("chat", 50, "chat"), ("union", 50, "chat")],
)
def test_rows_are_merged_by_token_and_a_lacking_one_is_taken_from_a_model_that_has_it(
    tokenizer, rows, lacking, family, tmp_path
):
    recipe = linear(family, tokenizer, code=0.75, chat=0.25)
    merge(recipe, tmp_path / "out")
    names = [EMBEDDING] if read(family["base"]).tied else [EMBEDDING, HEAD]
    for name in names:
        found = merged_rows(tmp_path / "out", name)
        assert len(read(tmp_path / "out").tensor(name)) == rows == len(found)
        for token in FULL:
            expected = 0.75 * row(family["code"], name, token)
            expected = expected + 0.25 * row(family["chat"], name, token)
            torch.testing.assert_close(found[token], expected)
        for token in CHATML if lacking else []:  # one model has it: all get its row
            torch.testing.assert_close(found[token], row(family[lacking], name, token))


@pytest.mark.parametrize("tokenizer", ["base", "chat", "union"])
def test_the_live_model_is_the_exported_one_to_the_last_bit(tokenizer, family, tmp_path):
    recipe = Recipe(
        "ties",
        {"code": family["code"], "chat": family["chat"]},
        (Group({"weight": 0.6, "density": 0.5}),),
        base=family["base"],
        tokenizer=tokenizer,
    )
    merge(recipe, tmp_path / "out")
    expected = merged_live(recipe)
    loaded, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert loaded.state_dict().keys() == expected.state_dict().keys()
    for name, tensor in expected.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    ids = torch.arange(len(loaded.get_input_embeddings().weight))[None]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, expected(ids).logits)
    assert loaded.generation_config.to_dict() == expected.generation_config.to_dict()


@pytest.mark.parametrize("tokenizer", ["base", "chat", "union"])
def test_tokenizer_and_special_tokens_are_those_of_the_chosen_model(tokenizer, family, tmp_path):
    merge(linear(family, tokenizer, code=0.5, chat=0.5), tmp_path / "out")
    found = AutoTokenizer.from_pretrained(tmp_path / "out")
    chosen = AutoTokenizer.from_pretrained(family["chat" if tokenizer == "chat" else "base"].path)
    assert found.eos_token == chosen.eos_token
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    generation = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert config["eos_token_id"] == generation["eos_token_id"] == chosen.eos_token_id
    assert config["vocab_size"] == len(found)
    if tokenizer == "union":
        text = "<|im_start|>w3 w4<|im_end|>"
        assert found.tokenize(text) == ["<|im_start|>", "w3", "w4", "<|im_end|>"]
        assert found.decode(found(text).input_ids, skip_special_tokens=True).strip() == "w3 w4"
    live_one = load_tokenizer(opened(linear(family, tokenizer, code=0.5, chat=0.5))["base"])
    assert live_one.get_vocab() == found.get_vocab()


def test_padding_is_kept_and_tokens_in_it_are_matched_by_name(padded, tmp_path):
    recipe = linear(padded, "union", base=0.0, chat=1.0)
    merge(recipe, tmp_path / "out")
    found = read(tmp_path / "out")
    assert found.config["vocab_size"] == found.vocabulary_rows == 48
    for token in (*WORDS, *CHATML):
        assert torch.equal(
            merged_rows(tmp_path / "out", HEAD)[token], row(padded["chat"], HEAD, token)
        )
    assert torch.equal(found.tensor(HEAD)[42:], read(padded["chat"]).tensor(HEAD)[42:])


def test_a_token_of_several_models_that_the_base_lacks_is_their_mean(padded, tmp_path):
    merge(linear(padded, "union", base=1.0, chat=0.0, long=0.0), tmp_path / "out")
    found = merged_rows(tmp_path / "out", EMBEDDING)
    ours, theirs = (row(padded[name], EMBEDDING, "<|im_end|>") for name in ("chat", "long"))
    assert not torch.equal(ours, theirs)
    assert torch.equal(found["<|im_end|>"], (ours + theirs) / 2)
    assert torch.equal(found["<t7>"], row(padded["long"], EMBEDDING, "<t7>"))
    assert torch.equal(found["w5"], row(padded["base"], EMBEDDING, "w5"))


def test_more_tokens_than_rows_are_padded_to_the_multiple_that_the_base_has(padded, tmp_path):
    merge(linear(padded, "union", base=1.0, chat=0.0, long=0.0), tmp_path / "out")
    found = read(tmp_path / "out")
    assert len(AutoTokenizer.from_pretrained(tmp_path / "out")) == 50
    assert found.vocabulary_rows == found.config["vocab_size"] == 64  # 40 tokens in 48: by 16
    mean = found.tensor(HEAD)[:50].mean(0)
    torch.testing.assert_close(found.tensor(HEAD)[50:], mean.expand(14, -1))


def test_pad_to_multiple_of_decides_the_rows(padded, tmp_path):
    choice = {"source": "union", "pad_to_multiple_of": 10}
    merge(linear(padded, choice, base=1.0, chat=0.0), tmp_path / "out")
    found = read(tmp_path / "out")
    assert found.vocabulary_rows == 50
    assert torch.equal(found.tensor(EMBEDDING)[42:48], read(padded["base"]).tensor(EMBEDDING)[42:])


def test_rows_of_single_tokens_can_be_chosen(padded, tmp_path):
    tokens = {
        "<|im_start|>": {"model": "base", "token": "w1"},
        "<|im_end|>": {"zero": True, "force": True},
        "<new>": {"model": "chat", "id": 3},
    }
    recipe = linear(padded, {"source": "union", "tokens": tokens}, base=1.0, chat=1.0)
    merge(recipe, tmp_path / "out")
    found = merged_rows(tmp_path / "out", EMBEDDING)
    chat, base = (read(padded[name]).tensor(EMBEDDING) for name in ("chat", "base"))
    torch.testing.assert_close(found["<|im_start|>"], base[3] + chat[40])  # w1 is 3
    assert not found["<|im_end|>"].any()
    torch.testing.assert_close(found["<new>"], 2 * chat[3])


def test_a_model_that_is_not_merged_can_have_a_say_in_the_vocabulary(family, tmp_path):
    choice = TokenizerChoice("union").over(family)
    recipe = linear(family, choice, code=1.0)
    merge(recipe, tmp_path / "out")
    found = merged_rows(tmp_path / "out", EMBEDDING)
    assert torch.equal(found["<|im_end|>"], row(family["chat"], EMBEDDING, "<|im_end|>"))
    assert torch.equal(found["w2"], row(family["code"], EMBEDDING, "w2"))
    assert recipe.digest != linear(family, "union", code=1.0).digest
    assert Recipe.from_yaml(recipe.to_yaml()).digest == recipe.digest
    assert "chat" in (tmp_path / "out" / "README.md").read_text()


def test_a_vocabulary_in_another_order_is_put_in_that_of_the_base(zoo, tmp_path):
    other = make_model(tmp_path / "other", seed=5, words=[*WORDS[:2], *reversed(WORDS[2:])])
    models = {"base": Source(str(zoo())), "other": Source(str(other))}
    merge(linear(models, "base", other=1.0), tmp_path / "out")
    found = merged_rows(tmp_path / "out", HEAD)
    assert all(torch.equal(found[word], row(models["other"], HEAD, word)) for word in WORDS)
    swapped = read(tmp_path / "out").tensor(HEAD)[2]
    assert torch.equal(swapped, read(other).tensor(HEAD)[39])


def test_equal_vocabularies_give_the_bytes_that_they_give_without_a_tokenizer(zoo, tmp_path):
    models = {"base": Source(str(zoo())), "other": Source(str(zoo(seed=1)))}
    for tokenizer in (None, "base", "other", "union"):
        merge(linear(models, tokenizer, other=0.5), tmp_path / f"{tokenizer}")
    prints = {read(tmp_path / f"{each}").fingerprint for each in (None, "base", "other", "union")}
    assert len(prints) == 1


def test_a_special_token_that_the_chosen_model_lacks_is_not_the_bases(family, tmp_path):
    folders = {name: tmp_path / name for name in ("base", "chat")}
    for name, folder in folders.items():
        shutil.copytree(family[name].path, folder)
        config = json.loads((folder / "config.json").read_text())
        config["pad_token_id"] = 5 if name == "base" else None
        (folder / "config.json").write_text(json.dumps(config))
    opened = {name: open_checkpoint(Source(str(folder))) for name, folder in folders.items()}
    merged = retokenize(opened, TokenizerChoice("chat"))["base"].config
    assert merged["pad_token_id"] is None
    assert merged["eos_token_id"] == opened["chat"].config["eos_token_id"]


def test_a_multi_part_model_keeps_the_token_ids_that_its_config_names(tmp_path):
    for seed, name in enumerate(("base", "m")):
        make_model(tmp_path / name, "gemma3", seed=seed)
    opened = {name: open_checkpoint(Source(str(tmp_path / name))) for name in ("base", "m")}
    with pytest.raises(ValueError, match=r"tokenizer: m: the config of .*choose `base` or `union`"):
        retokenize(opened, TokenizerChoice("m"))
    config = retokenize(opened, TokenizerChoice("union"))["base"].config
    assert config["text_config"]["eos_token_id"] == config["eos_token_id"]

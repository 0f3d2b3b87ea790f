"""The generation config of a merged model: the base's, a model's, or a text."""

from __future__ import annotations

import json

import pytest
from transformers import GenerationConfig

from tests.workers.makers import make_model
from workers.checkpoint import align, load_model, open_checkpoint, read_json, retokenize
from workers.doctor import examine
from workers.inherited import inherited
from workers.merge import merge
from workers.recipe import Group, Recipe, Source

pytestmark = pytest.mark.usefixtures("cache")
TEXT = '{"repetition_penalty": 1.5, "temperature": 0.25, "do_sample": true}'


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Source]:
    """A base and a model, whose settings differ."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "chat")):
        make_model(root / name, seed=seed)
    write(root / "chat", repetition_penalty=1.25)
    return {name: Source(str(root / name)) for name in ("base", "chat")}


def write(folder, **changes) -> None:
    file = folder / "generation_config.json"
    file.write_text(json.dumps(read_json(file) | changes))


def recipe(models: dict[str, Source], choice: str | None, **given) -> Recipe:
    weights = Group({"weight": 1.0})
    names = {"chat": models["chat"]}
    return Recipe("linear", names, (weights,), models["base"], generation_config=choice, **given)


@pytest.mark.parametrize(
    ("choice", "tokenizer", "penalty"),
    [
        (None, None, None),
        (None, "chat", 1.25),
        ("chat", None, 1.25),
        ("base", "chat", None),
        (TEXT, None, 1.5),
    ],
)
def test_live_and_exported_settings_are_the_chosen_ones(
    choice, tokenizer, penalty, models, tmp_path
):
    chosen = recipe(models, choice, tokenizer=tokenizer)
    merge(chosen, tmp_path / "out")
    exported = GenerationConfig.from_pretrained(tmp_path / "out")
    assert (exported.repetition_penalty or 1.0) == (penalty or 1.0)
    opened = {name: open_checkpoint(source) for name, source in chosen.sources.items()}
    base = align(retokenize(opened, chosen.tokenizer, None, choice))["base"]
    live = load_model(base).generation_config
    assert live.repetition_penalty == exported.repetition_penalty
    assert live.eos_token_id == exported.eos_token_id
    known = Recipe.from_yaml(chosen.to_yaml())
    assert (known.digest, known.generation_config) == (chosen.digest, choice)


def test_the_doctor_names_the_settings_that_differ(models):
    found = [str(each) for each in examine(models["base"], {"chat": models["chat"]}, live=False)]
    (said,) = [each for each in found if "generation_config.json" in each]
    assert "repetition_penalty is 1.25 (base: not set)" in said
    assert "the merged model uses base's, unless `generation_config` names another" in said


def test_the_doctor_is_silent_about_equal_settings_without_a_file(models, tmp_path):
    bare = make_model(tmp_path / "bare")
    (bare / "generation_config.json").unlink()
    found = examine(models["base"], {"bare": Source(str(bare))}, live=False)
    assert not [each for each in found if "generation_config" in each.message]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, "The generation config is base's; that of chat differs."),
        ("chat", "The generation config is chat's; that of base differs."),
        (TEXT, "The generation config is the recipe's; that of base, chat differ."),
    ],
)
def test_the_card_says_whose_settings_they_are(choice, expected, models, tmp_path):
    chosen = recipe(models, choice)
    template, generation = (each.sentence for each in inherited(chosen))
    assert (template, generation) == ("The chat template is base's.", expected)
    merge(chosen, tmp_path / "out")
    assert f"{template} {expected}" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            "chatt",
            r"generation_config 'chatt' is neither a model nor JSON text; did you mean 'chat'",
        ),
        ('{"a"', "generation_config: is not valid JSON"),
    ],
)
def test_what_is_no_generation_config_is_named(choice, message, models):
    with pytest.raises(ValueError, match=message):
        recipe(models, choice)


def test_a_chosen_model_must_have_one(models, tmp_path):
    bare = make_model(tmp_path / "bare")
    (bare / "generation_config.json").unlink()
    chosen = recipe({**models, "chat": Source(str(bare))}, "chat")
    with pytest.raises(
        ValueError, match=r"/bare: chat has no generation_config.json; name another"
    ):
        merge(chosen, tmp_path / "out")

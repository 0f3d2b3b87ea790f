"""The chat template of a merged model: a model's, a standard one, or a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tests.workers.makers import make_model
from workers import mergekit
from workers.checkpoint import align, load_tokenizer, open_checkpoint, retokenize
from workers.merge import merge
from workers.recipe import Group, Recipe, Source

pytestmark = pytest.mark.usefixtures("cache")
TEXT = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}"
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " Hi. "},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Bye."},
]
WRITTEN = {
    "chatml": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi.<|im_end|>\n"
        "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye.<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "llama3": (
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "mistral": "<s>[INST] Be brief.\n\nHi. [/INST] Hello.</s>[INST] Bye. [/INST]",
    "alpaca": (
        "Be brief.\n\n### Instruction:\nHi.\n\n### Response:\nHello.\n\n"
        "### Instruction:\nBye.\n\n### Response:\n"
    ),
    TEXT: "[system] Be brief.[user]  Hi. [assistant] Hello.[user] Bye.",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Source]:
    """A base and a model, whose templates differ; the base keeps its own in the settings file."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "chat")):
        make_model(root / name, seed=seed)
    (root / "chat" / "chat_template.jinja").write_text("chat: {{ messages[0].content }}")
    (root / "base" / "chat_template.jinja").unlink()
    settings = root / "base" / "tokenizer_config.json"
    content = json.loads(settings.read_text()) | {"chat_template": "base: {{ messages }}"}
    settings.write_text(json.dumps(content))
    return {name: Source(str(root / name)) for name in ("base", "chat")}


def recipe(models: dict[str, Source], template: str | None, tokenizer: str | None = None) -> Recipe:
    weights = Group({"weight": 1.0})
    chosen = {"tokenizer": tokenizer, "chat_template": template}
    return Recipe("linear", {"chat": models["chat"]}, (weights,), models["base"], **chosen)


def written(folder: Path) -> str:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True)


@pytest.mark.parametrize("template", WRITTEN, ids=lambda each: each[:8])
def test_a_template_is_exported_and_writes_its_format(template, models, tmp_path):
    merge(recipe(models, template), tmp_path / "out")
    assert written(tmp_path / "out") == WRITTEN[template]
    assert "chat_template" not in json.loads((tmp_path / "out/tokenizer_config.json").read_text())


@pytest.mark.parametrize(
    ("template", "tokenizer", "expected"),
    [
        ("chat", None, "chat: {{ messages[0].content }}"),
        ("base", "chat", "base: {{ messages }}"),
        (None, "chat", "chat: {{ messages[0].content }}"),
        (None, None, "base: {{ messages }}"),
        (TEXT, "union", TEXT),
    ],
)
def test_live_and_exported_template_are_the_chosen_one(
    template, tokenizer, expected, models, tmp_path
):
    chosen = recipe(models, template, tokenizer)
    merge(chosen, tmp_path / "out")
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template == expected
    opened = {name: open_checkpoint(source) for name, source in chosen.sources.items()}
    base = align(retokenize(opened, chosen.tokenizer, template))["base"]
    assert load_tokenizer(base).chat_template == expected


def test_the_template_is_in_the_recipes_beside_the_weights(models, tmp_path):
    for template in ("chat", "chatml", TEXT):
        chosen = recipe(models, template)
        merge(chosen, tmp_path / "out", force=True)
        text = (tmp_path / "out" / "mergekit_config.yml").read_text()
        assert mergekit.read(text, "file").digest == chosen.digest
        body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        again = mergekit.read(body, "file").chat_template
        assert again == ("chat: {{ messages[0].content }}" if template == "chat" else template)


def test_auto_in_a_mergekit_file_is_the_most_common_template(models):
    text = (
        f"merge_method: linear\nmodels: [{models['base']}, {models['chat']}]\n"
        "parameters: {weight: 1}\nchat_template: auto\n"
    )
    assert mergekit.read(text, "file").chat_template == "base: {{ messages }}"


def test_what_is_no_template_is_named(models, tmp_path):
    with pytest.raises(
        ValueError, match=r"chat_template 'chatml2' is not .* did you mean 'chatml'"
    ):
        recipe(models, "chatml2")
    with pytest.raises(ValueError, match=r"chat_template: line 1: .* neither a Jinja template nor"):
        merge(recipe(models, "{% for m in messages %}"), tmp_path / "out")
    bare = make_model(tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match=r"/bare: chat has no chat template; name another"):
        merge(recipe({**models, "chat": Source(str(bare))}, "chat"), tmp_path / "out")

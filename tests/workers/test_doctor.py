"""The doctor lets sound models pass, and says what needs a choice."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.workers.makers import WORDS, make_adapter, make_model, make_tokenizer
from workers.doctor import examine
from workers.recipe import Source


def said(base: Path, *models: Path, live: bool = True) -> list[str]:
    sources = {f"m{i}": Source(str(path)) for i, path in enumerate(models)}
    return [f"{f.level}: {f}" for f in examine(Source(str(base)), sources, live=live)]


def edited(folder: Path, copy: Path, file: str = "config.json", **changes) -> Path:
    shutil.copytree(folder, copy)
    content = json.loads((copy / file).read_text())
    content |= changes
    (copy / file).write_text(json.dumps(content))
    return copy


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}, "rope_parameters is"),
        ({"max_position_embeddings": 128}, "max_position_embeddings is 128, base has 64"),
        ({"rms_norm_eps": 1e-5}, "rms_norm_eps is 1e-05, base has 1e-06"),
        ({"eos_token_id": [1, 5]}, r"eos_token_id is \[1, 5\], base has 1"),
    ],
)
def test_what_needs_a_choice_is_a_warning_with_both_values(changes, expected, zoo, tmp_path):
    other = edited(zoo(seed=1), tmp_path / "other", **changes)
    found = said(zoo(), other)
    assert len(found) == 1
    assert found[0].startswith(f"warning: models.m0: {other / 'config.json'}")
    assert re.search(expected, found[0])


def test_old_spellings_of_a_config_are_the_same_config(zoo, tmp_path):
    config = json.loads((zoo() / "config.json").read_text())
    config.pop("rope_parameters")
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.40.0"
    other = edited(zoo(seed=1), tmp_path / "other")
    (other / "config.json").write_text(json.dumps(config))
    assert said(zoo(), other) == []


def test_padding_rows_may_differ(zoo, tmp_path):
    other = make_model(tmp_path / "other", vocab_size=44)
    found = said(zoo(), other)
    assert len(found) == 1
    assert "vocab_size is 44, base has 48; rows beyond 40 are padding" in found[0]


def test_tokens_that_only_one_model_has_are_named(zoo, tmp_path):
    other = make_model(tmp_path / "other", words=[*WORDS, "extra"])
    found = said(zoo(), other)
    assert len(found) == 1
    assert "m0 has 1 token that the other lacks ('extra')" in found[0]


def without_tokenizer(folder: Path, copy: Path, **files: str) -> Path:
    """A copy that has these files instead of a tokenizer; transformers makes one of none for some
    architectures, and it has no tokens."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("tokenizer*"))
    for name, content in files.items():
        (copy / name.replace("_", ".")).write_text(content)
    return copy


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gemma", "gpt2"])
def test_a_base_without_tokenizer_files_is_an_error_for_a_search_only(architecture, zoo, tmp_path):
    base = without_tokenizer(zoo(architecture), tmp_path / "base")
    (found,) = said(base, zoo(architecture, 1))
    assert found.startswith(f"error: {base}: has no tokenizer files (tokenizer.json, tokenizer.mod")
    assert "scoring needs a tokenizer; copy the tokenizer files of the model that it was" in found
    (found,) = said(base, zoo(architecture, 1), live=False)
    assert found.startswith(f"warning: {base}: has no tokenizer files")


def test_a_tokenizer_that_transformers_loads_by_other_rules_is_pointed_at(zoo):
    """Words are tokens in the file; Qwen2's own class splits them into bytes."""
    (found,) = said(zoo("qwen2"), zoo("qwen2", 1))
    assert found.startswith(
        f"warning: {zoo('qwen2')}/tokenizer.json: transformers loads it as Qwen"
    )
    assert said(zoo("llama"), zoo("llama", 1)) == []


def test_a_model_without_tokenizer_files_is_told_whose_are_used(zoo, tmp_path):
    model = without_tokenizer(zoo(seed=1), tmp_path / "model")
    (found,) = said(zoo(), model)
    assert found == (
        f"warning: models.m0: {model}: has no tokenizer files; its rows are taken for base's "
        "tokens, and base's tokenizer is used"
    )


@pytest.mark.parametrize(
    ("architecture", "files", "expected"),
    [
        ("llama", {"tokenizer_model": "no tokenizer"}, "its tokenizer cannot be loaded: "),
        (
            "qwen2",
            {"vocab_txt": "a\nb\n"},
            "Qwen2Tokenizer finds no tokens in this folder; its fil",
        ),
        (
            "gpt2",
            {"vocab_json": "{", "merges_txt": "#version: 0.2\n"},
            "cannot be loaded: Exception: ",
        ),
    ],
)
def test_a_base_whose_tokenizer_cannot_be_loaded_is_an_error(
    architecture, files, expected, zoo, tmp_path
):
    base = without_tokenizer(zoo(architecture), tmp_path / "base", **files)
    (found,) = said(base, zoo(architecture, 1))
    assert found.startswith(f"error: {base}: its tokenizer cannot be loaded: ")
    assert expected in found
    assert "copy the tokenizer files" in found


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (1, "model.extra.0 is not a tensor of a llama"),
        (2, "model.extra.0 and 1 other are not tensors of a llama"),
        (3, "model.extra.0 and 2 others are not tensors of a llama"),
    ],
)
def test_unknown_tensors_are_counted_in_words_that_agree(extra, expected, zoo, tmp_path):
    other = shutil.copytree(zoo(seed=1), tmp_path / "other")
    tensors = load_file(other / "model.safetensors")
    tensors |= {f"model.extra.{i}": torch.ones(1) for i in range(extra)}
    save_file(tensors, other / "model.safetensors")
    (found,) = [each for each in said(zoo(), other) if "of a llama" in each]
    assert expected in found


def test_another_template_is_a_choice(zoo, tmp_path):
    other = shutil.copytree(zoo(), tmp_path / "other")
    (other / "chat_template.jinja").write_text("{{ messages }}")
    assert "its chat template differs from base's" in said(zoo(), other)[0]


def test_the_same_template_in_another_file_is_the_same_template(zoo, tmp_path):
    one, other = (shutil.copytree(zoo(), tmp_path / name) for name in ("one", "other"))
    (one / "chat_template.jinja").write_text("{{ messages }}")
    settings = json.loads((other / "tokenizer_config.json").read_text())
    settings["chat_template"] = "{{ messages }}"
    (other / "tokenizer_config.json").write_text(json.dumps(settings))
    (other / "chat_template.jinja").unlink(missing_ok=True)
    assert said(one, other) == []


def test_a_tokenizer_that_pads_and_truncates_is_the_same_tokenizer(zoo, tmp_path):
    changes = {"truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0}}
    other = edited(zoo(seed=1), tmp_path / "other", "tokenizer.json", **changes)
    assert said(zoo(), other) == []


@pytest.mark.parametrize("tied", [True, False])
def test_tied_and_untied_models_may_be_merged_live(tied, zoo):
    other = zoo(seed=1, tie_word_embeddings=not tied)
    config = other / "config.json"
    assert said(zoo(tie_word_embeddings=tied), other) == [
        f"warning: models.m0: {config}: tie_word_embeddings is {not tied}, base has {tied}; "
        "the merged model has a head of its own"
    ]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_of_a_model_of_another_name_is_pointed_at(zoo, tmp_path):
    adapter = make_adapter(tmp_path / "adapter", zoo())
    on = Source(str(zoo(seed=1)), adapter=str(adapter))
    found = examine(Source(str(zoo())), {"a": on})
    assert [finding.level for finding in found] == ["warning"]
    assert f"was trained on {zoo()}, and is applied to {zoo(seed=1)}" in str(found[0])


def test_shards_pass_as_one_file_does(zoo, tmp_path):
    AutoModelForCausalLM.from_pretrained(zoo()).save_pretrained(tmp_path, max_shard_size="4KB")
    make_tokenizer(tmp_path, WORDS)
    assert said(zoo(), tmp_path) == []


def test_a_model_that_is_named_twice_is_pointed_at(zoo):
    assert "is the same model as m0" in said(zoo(), zoo(seed=1), zoo(seed=1))[0]


def test_licences_that_differ_are_pointed_at(zoo, tmp_path):
    other = shutil.copytree(zoo(seed=1), tmp_path / "other")
    (other / "README.md").write_text("---\nlicense: mit\n---\n")
    found = said(zoo(), other)
    assert len(found) == 1
    assert "README.md: license is mit, base has apache-2.0; the terms of both apply" in found[0]

"""Models of several parts: the language model is merged, every other part is the base's."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMultimodalLM

from tests.workers.makers import MULTI_PART, findings_but_tokenizers, make_adapter, make_model
from workers.checkpoint import align, load_model, open_checkpoint
from workers.doctor import examine
from workers.merge import merge
from workers.merging import Engine, MergeSettings
from workers.recipe import Group, Recipe, Source, layer_of, module_of

RECIPES = {
    "linear": {"weight": {"a": 0.3, "b": 0.7}},
    "ties": {"weight": {"a": 0.6, "b": 0.5}, "density": {"a": 0.5, "b": 0.7}},
}
METHODS = dict(zip(MULTI_PART, itertools.cycle(RECIPES), strict=False))
"""One for each architecture: a merge of each takes long enough."""
NAMES = ("base", "a", "b")
PROCESSOR = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")


@pytest.fixture(scope="module", params=MULTI_PART)
def sources(request, tmp_path_factory) -> dict[str, Source]:
    """A base and two models of one architecture."""
    root = tmp_path_factory.mktemp(request.param)
    folders = {
        name: make_model(root / name, request.param, seed, dtype=torch.bfloat16)
        for seed, name in enumerate(NAMES)
    }
    for file in PROCESSOR:
        (folders["base"] / file).write_text(json.dumps({"image_processor_type": file}))
    return {name: Source(str(folder)) for name, folder in folders.items()}


def recipe_of(method: str, sources: dict[str, Source]) -> Recipe:
    models = {name: source for name, source in sources.items() if name != "base"}
    return Recipe(method, models, (Group(RECIPES[method]),), base=sources["base"])


def merged_live(recipe: Recipe) -> torch.nn.Module:
    opened = align({n: open_checkpoint(source) for n, source in recipe.sources.items()})
    base = opened.pop("base")
    live = load_model(base)
    Engine(opened, base, settings=MergeSettings(mode="eager")).apply(recipe, live)
    return live


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(24).view(2, 12)).logits


def whole(source: Source) -> Source:
    return replace(source, merge="all")


def in_language_model(name: str) -> bool:
    return ".language_model." in f".{name}" or name.startswith("lm_head")


def errors_of(base: Path, model: Path) -> list[str]:
    found = examine(Source(str(base)), {"a": Source(str(model))})
    return [str(each) for each in found if each.level == "error"]


def test_a_live_merge_is_the_file_merge_and_towers_are_the_bases(sources, cache, tmp_path):
    kind = open_checkpoint(sources["base"]).config["model_type"]
    recipe = recipe_of(METHODS[kind], sources)
    base = load_model(open_checkpoint(sources["base"])).state_dict()
    live = merged_live(recipe)
    merge(recipe, tmp_path / "out")
    loaded = AutoModelForMultimodalLM.from_pretrained(tmp_path / "out")
    expected = loaded.state_dict()
    for name, tensor in live.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
        assert torch.equal(tensor, base[name]) != in_language_model(name), name
    assert torch.equal(logits(live), logits(loaded))
    for file in PROCESSOR:
        assert (tmp_path / "out" / file).read_bytes() == Path(
            sources["base"].path, file
        ).read_bytes()


def test_with_merge_all_every_part_is_merged_live_as_in_a_file(sources, cache, tmp_path):
    everything = {name: whole(source) for name, source in sources.items()}
    kind = open_checkpoint(sources["base"]).config["model_type"]
    recipe = recipe_of(METHODS[kind], everything)
    base = load_model(open_checkpoint(sources["base"])).state_dict()
    live = merged_live(recipe)
    merge(Recipe.from_yaml(recipe.to_yaml()), tmp_path / "out")
    expected = AutoModelForMultimodalLM.from_pretrained(tmp_path / "out").state_dict()
    parameters = dict(live.named_parameters(remove_duplicate=False))
    for name, tensor in live.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
        assert torch.equal(tensor, base[name]) == (name not in parameters), name
    assert recipe.digest != recipe_of(METHODS[kind], sources).digest
    assert findings_but_tokenizers(everything["base"], {"a": everything["a"]}) == []


def test_merge_all_of_some_models_only_is_refused(zoo):
    base, model = Source(str(zoo("gemma3"))), Source(str(zoo("gemma3", 1)), merge="all")
    (error,) = (each for each in examine(base, {"a": model}) if each.level == "error")
    assert "`merge: all` is set for a alone; set it for every model" in str(error)


@pytest.mark.parametrize("architecture", ["gemma3", "qwen2_vl", "llava"])
@pytest.mark.parametrize("renamed", ["base", "a"])
def test_files_with_the_names_of_another_version_are_merged(
    architecture, renamed, zoo, cache, tmp_path
):
    folders = {"base": zoo(architecture), "a": zoo(architecture, 1)}
    recipe = Recipe(
        "linear",
        {"a": Source(str(folders["a"]))},
        (Group({"weight": {"a": 0.3}}),),
        base=Source(str(folders["base"])),
    )
    expected = merged_live(recipe).state_dict()
    old = open_checkpoint(Source(str(folders[renamed])))
    other = shutil.copytree(folders[renamed], tmp_path / "other")
    live = load_model(old)
    save_file(
        {name: tensor.clone() for name, tensor in live.state_dict().items()},
        other / "model.safetensors",
        metadata={"format": "pt"},
    )
    assert open_checkpoint(Source(str(other))).tensors.keys() != old.tensors.keys()
    changed = {**folders, renamed: other}
    assert errors_of(changed["base"], changed["a"]) == []
    base, model = (Source(str(changed[name])) for name in ("base", "a"))
    found = replace(recipe, base=base, models={"a": model})
    merge(found, tmp_path / "out")
    loaded = load_model(open_checkpoint(Source(str(tmp_path / "out")))).state_dict()
    for name, tensor in merged_live(found).state_dict().items():
        assert torch.equal(tensor, expected[name]), name
        assert torch.equal(loaded[name], expected[name]), name


def test_only_the_language_model_is_merged_and_the_doctor_says_so(sources):
    opened = open_checkpoint(sources["base"])
    assert opened.n_layers == 2
    assert opened.vocabulary_rows == 48
    assert {layer_of(name) for name in opened.tensors} == {None, 0, 1}
    assert "other" not in {module_of(name) for name in opened.tensors}
    (warning,) = findings_but_tokenizers(
        sources["base"], {k: v for k, v in sources.items() if k != "base"}
    )
    assert warning.level == "warning"
    assert re.search(r"merged model has base's .*(vision_tower|visual|audio_tower)", str(warning))


def test_towers_of_different_size_are_one_error(zoo):
    vision = {**MULTI_PART["gemma3"]["vision_config"], "intermediate_size": 28}
    base, other = zoo("gemma3"), zoo("gemma3", 1, vision_config=vision)
    (error,) = errors_of(base, other)
    assert error.startswith(f"models.a: {other}/model.safetensors: vision_tower.encoder.")
    assert re.search(r"fc1\.\w+ is \[28(, 32)?\], base has \[24(, 32)?\] \(and \d+ other", error)
    deeper = {**MULTI_PART["gemma3"]["vision_config"], "num_hidden_layers": 3}
    (error,) = errors_of(base, zoo("gemma3", 1, vision_config=deeper))
    assert re.search(r"base has no tensor vision_tower\S+layers\.2\.\S+ and \d+ oth", error)


def test_a_model_without_part_of_its_tower_is_refused_by_tensor(zoo, tmp_path):
    broken = shutil.copytree(zoo("gemma3", 1), tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    del tensors["vision_tower.post_layernorm.bias"]
    save_file(tensors, broken / "model.safetensors")
    (error,) = errors_of(zoo("gemma3"), broken)
    assert "has no tensor vision_tower.post_layernorm.bias, which its config.json req" in error


def test_a_language_model_alone_is_refused_with_what_to_do(zoo):
    (error,) = errors_of(zoo("gemma3"), zoo("gemma3_text"))
    assert "model_type is 'gemma3_text', base has 'gemma3'" in error
    assert "only the language model of a gemma3; load its weights into a whole gemma3" in error


def test_another_language_model_is_refused_by_its_setting(zoo):
    text = {**MULTI_PART["gemma3"]["text_config"], "num_key_value_heads": 4}
    found = errors_of(zoo("gemma3"), zoo("gemma3", 1, text_config=text))
    assert re.search(r"config\.json: text_config\.num_key_value_heads is 4, base has 2", found[0])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("architecture", ["gemma3", "qwen2_vl"])
@pytest.mark.parametrize("dora", [False, True])
def test_an_adapter_of_the_language_model_is_as_in_peft(architecture, dora, zoo, cache, tmp_path):
    import peft

    model = zoo(architecture)
    targets = r".*language_model.*\.(q_proj|down_proj)"
    adapter = make_adapter(tmp_path / "adapter", model, target_modules=targets, use_dora=dora)
    adapted = Source(str(model), adapter=str(adapter))
    merge(Recipe("passthrough", {"a": adapted}), tmp_path / "out")
    live = load_model(open_checkpoint(Source(str(model))))
    expected = logits(peft.PeftModel.from_pretrained(live, adapter).eval())
    for found in (open_checkpoint(Source(str(tmp_path / "out"))), open_checkpoint(adapted)):
        assert torch.allclose(logits(load_model(found)), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_that_changes_a_tower_is_refused_by_tensor(zoo, tmp_path):
    adapter = make_adapter(tmp_path / "adapter", zoo("gemma3"), target_modules=["fc1"])
    with pytest.raises(ValueError, match=r"fc1\.weight, which is outside the language model of /"):
        open_checkpoint(Source(str(zoo("gemma3")), adapter=str(adapter)))


def test_layers_are_stacked_and_towers_stay(zoo, cache, tmp_path):
    stacked = Source(str(zoo("gemma3")), layers=((0, 2), (1, 2)))
    recipe = Recipe("passthrough", {"a": stacked})
    merge(recipe, tmp_path / "out")
    found = open_checkpoint(Source(str(tmp_path / "out")))
    assert found.n_layers == len(found.config["text_config"]["layer_types"]) == 3
    live = load_model(open_checkpoint(stacked))
    assert torch.equal(logits(live), logits(load_model(found)))
    for name in found.towers:
        tower = load_file(zoo("gemma3") / "model.safetensors")[name]
        assert torch.equal(load_file(tmp_path / "out" / "model.safetensors")[name], tower)


def test_an_old_config_that_is_not_nested_is_read_and_kept(zoo, cache, tmp_path):
    folder = shutil.copytree(zoo("qwen2_vl"), tmp_path / "old")
    config = json.loads((folder / "config.json").read_text())
    nested = config.pop("text_config")
    (folder / "config.json").write_text(json.dumps({**nested, **config}))
    old, new = Source(str(folder)), Source(str(zoo("qwen2_vl", 1)))
    assert open_checkpoint(old).n_layers == 2
    merge(Recipe("passthrough", {"a": new}, base=old), tmp_path / "out")
    out = open_checkpoint(Source(str(tmp_path / "out")))
    assert "text_config" not in out.config
    assert torch.equal(logits(load_model(out)), logits(load_model(open_checkpoint(new))))


def test_an_embedding_with_other_rows_than_the_head_is_refused(tmp_path):
    text = {**MULTI_PART["llava"]["text_config"], "cross_attention_layers": [1]}
    rope = {"rope_type": "default", "rope_theta": 1e4}
    vision = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_global_layers": 1,
        "attention_heads": 4,
        "image_size": 16,
        "patch_size": 8,
        "vision_output_dim": 64,
        "intermediate_layers_indices": [0],
    }
    parts = {"text_config": {**text, "rope_parameters": rope, "model_type": "mllama_text_model"}}
    folder = make_model(tmp_path / "mllama", "mllama", vision_config=vision, **parts)
    error, *_ = errors_of(folder, folder)
    assert "has language_model.lm_head.weight 48 rows and language_model.model.emb" in error
    assert "56 rows; an embedding with other rows than the head (as in Llama 3.2 Vision)" in error

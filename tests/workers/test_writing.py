"""What leaves is an ordinary model directory: whole or not there, and as it was scored."""

from __future__ import annotations

import gc
import json
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.workers.makers import make_adapter, make_model, merged_live
from workers import merge_stream, mergekit
from workers.checkpoint import Checkpoint, open_checkpoint, write_model
from workers.evidence import Evidence, Score
from workers.merge import merge
from workers.recipe import Group, Recipe, Source
from workers.recipe_file import read_recipe

pytestmark = pytest.mark.usefixtures("cache")
TIES = {"weight": {"a": 0.7, "b": 0.4}, "density": 0.6}


def ties(base: Path, a: Path, b: Path, **changes) -> Recipe:
    fields = {
        "method": "ties",
        "models": {"a": Source(str(a)), "b": Source(str(b))},
        "groups": (Group(TIES | {"lambda": 0.8}, (0, 1), ("mlp", "norm")), Group(TIES)),
        "base": Source(str(base)),
        **changes,
    }
    return Recipe(**fields)


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(24).view(2, 12)).logits


def read(folder: Path) -> Checkpoint:
    return open_checkpoint(Source(str(folder)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_an_exported_model_is_the_live_one_to_the_last_bit(dtype, zoo, tmp_path):
    recipe = ties(*(zoo(seed=seed, dtype=dtype) for seed in range(3)))
    merge(recipe, tmp_path / "out")
    loaded, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert loaded.dtype == dtype
    expected = merged_live(recipe)
    for name, tensor in expected.named_parameters():
        assert torch.equal(loaded.get_parameter(name), tensor), name
    assert torch.equal(logits(loaded), logits(expected))


def test_shards_load_as_the_model_that_one_file_is(zoo, tmp_path):
    recipe = ties(zoo(), zoo(seed=1), zoo(seed=2))
    merge(recipe, tmp_path / "one")
    merge(recipe, tmp_path / "many", shard_bytes=4000)
    assert len(list((tmp_path / "many").glob("model-*.safetensors"))) > 2
    one, many = (AutoModelForCausalLM.from_pretrained(tmp_path / n) for n in ("one", "many"))
    assert torch.equal(logits(one), logits(many))
    assert read(tmp_path / "many").tensors.keys() == read(tmp_path / "one").tensors.keys()


def with_wide_norms(folder: Path) -> Path:
    """Stores the norms in float32 beside bfloat16 weights, as many published models do."""
    tensors = load_file(folder / "model.safetensors")
    wide = {name: each.float() if "norm" in name else each for name, each in tensors.items()}
    save_file(wide, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_one_dtype_rules_a_model_of_mixed_dtypes_live_in_portions_and_in_a_file(
    tmp_path, monkeypatch
):
    recipe = ties(
        *(
            with_wide_norms(make_model(tmp_path / f"mixed{seed}", seed=seed, dtype=torch.bfloat16))
            for seed in range(3)
        )
    )
    monkeypatch.setattr(merge_stream, "PORTION", 500)  # some portions hold norms alone
    merge(recipe, tmp_path / "out")
    merged, expected = read(tmp_path / "out"), merged_live(recipe)
    assert {info.dtype for info in merged.tensors.values()} == {"bfloat16"}
    for name, tensor in expected.named_parameters():
        assert torch.equal(merged.tensor(name), tensor), name


@pytest.mark.parametrize("tied", [False, True])
def test_portions_give_the_bytes_of_the_whole(tied, zoo, tmp_path, monkeypatch):
    recipe = ties(*(zoo(tie_word_embeddings=tied, seed=seed) for seed in range(3)))
    merge(recipe, tmp_path / "whole")
    monkeypatch.setattr(merge_stream, "PORTION", 5000)
    merge(recipe, tmp_path / "portions")
    assert read(tmp_path / "portions").fingerprint == read(tmp_path / "whole").fingerprint


def test_a_portion_is_let_go_before_the_next_is_opened(zoo, monkeypatch):
    recipe = ties(zoo(), zoo(seed=1), zoo(seed=2))
    opened = {name: open_checkpoint(source) for name, source in recipe.sources.items()}
    monkeypatch.setattr(merge_stream, "PORTION", 5000)
    gc.collect()
    gc.disable()
    try:
        for _ in merge_stream.stream(recipe, opened):
            alive = sum(type(each) is merge_stream.Portion for each in gc.get_objects())
            assert alive == len(opened)
    finally:
        gc.enable()


@pytest.mark.parametrize("tied", [(True, True, False), (False, True, False)])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2"])
def test_a_mixed_tie_gets_a_head_of_its_own_live_and_in_a_file(architecture, tied, zoo, tmp_path):
    models = [zoo(architecture, i, tie_word_embeddings=each) for i, each in enumerate(tied)]
    recipe = ties(*models)
    warnings = merge(recipe, tmp_path / "out")
    assert any("has a head of its own" in str(each) for each in warnings)
    merged, scored = AutoModelForCausalLM.from_pretrained(tmp_path / "out"), merged_live(recipe)
    scored.tie_weights()  # as lm-eval does
    for model in (merged, scored):
        assert not model.config.tie_word_embeddings
        head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
        assert not torch.equal(head.weight, embedding.weight)
    for name, tensor in scored.state_dict().items():
        assert torch.equal(merged.state_dict()[name], tensor), name
    assert torch.equal(logits(merged), logits(scored))


def test_tied_models_leave_without_a_head(zoo, tmp_path):
    recipe = ties(*(zoo(tie_word_embeddings=True, seed=seed) for seed in range(3)))
    merge(recipe, tmp_path / "out")
    assert "lm_head.weight" not in read(tmp_path / "out").tensors


@pytest.mark.parametrize("rows", [44, 52])
def test_padding_rows_are_those_of_the_base(rows, zoo, tmp_path):
    other = make_model(tmp_path / "other", seed=5, vocab_size=rows)
    recipe = ties(zoo(), zoo(seed=1), other)
    merge(recipe, tmp_path / "out")
    merged = read(tmp_path / "out")
    assert merged.vocabulary_rows == merged.config["vocab_size"] == 48
    assert torch.isfinite(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "out"))).all()
    same = merge(ties(zoo(), zoo(seed=1), other), tmp_path / "again")
    assert same
    assert read(tmp_path / "again").fingerprint == merged.fingerprint


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_merges_as_the_model_it_stands_for(zoo, tmp_path):
    from peft import PeftModel

    adapter = make_adapter(tmp_path / "adapter", zoo(seed=1))
    whole = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(zoo(seed=1)), adapter)
    whole.merge_and_unload(safe_merge=True).save_pretrained(tmp_path / "whole")
    one = ties(zoo(), tmp_path / "whole", zoo(seed=2))
    other = ties(zoo(), zoo(seed=1), zoo(seed=2))
    other = Recipe.from_dict(
        other.to_dict()
        | {
            "models": {
                "a": {"path": str(zoo(seed=1)), "adapter": str(adapter)},
                "b": str(zoo(seed=2)),
            }
        }
    )
    merge(one, tmp_path / "one")
    merge(other, tmp_path / "other")
    assert read(tmp_path / "one").fingerprint == read(tmp_path / "other").fingerprint


def test_the_recipes_beside_the_weights_are_the_recipe(zoo, tmp_path):
    recipe = ties(zoo(), zoo(seed=1), zoo(seed=2), seed=3)
    merge(recipe, tmp_path / "out")
    assert read_recipe(tmp_path / "out" / "recipe.json").digest == recipe.digest
    assert read_recipe(tmp_path / "out" / "mergekit_config.yml").digest == recipe.digest


def test_tokenizer_and_template_come_from_the_model_that_the_recipe_names(zoo, tmp_path):
    donor = make_model(tmp_path / "donor", seed=2, max_position_embeddings=99)
    (donor / "chat_template.jinja").write_text("donor: {{ messages }}")
    recipe = ties(zoo(), zoo(seed=1), donor, tokenizer="b")
    merge(recipe, tmp_path / "out")
    assert read(tmp_path / "out").config["max_position_embeddings"] == 64  # as in a search
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.chat_template == "donor: {{ messages }}"
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (donor / name).read_bytes()


def test_the_manifest_names_every_file_with_its_digest(zoo, tmp_path):
    merge(ties(zoo(), zoo(seed=1), zoo(seed=2)), tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    found = {file.name for file in (tmp_path / "out").iterdir()} - {"manifest.json"}
    assert manifest["files"].keys() == found
    listed = manifest["files"]["model.safetensors"]
    assert listed["bytes"] == (tmp_path / "out" / "model.safetensors").stat().st_size


def test_the_card_names_models_licences_and_evidence(zoo, tmp_path):
    other = make_model(tmp_path / "other", seed=2)
    (other / "README.md").write_text("---\nlicense: mit\n---\n")
    scores = (Score(("maths",), "acc", "`maths`, acc,none", 0.5, "report"),)
    evidence = Evidence("## Scores\n\nmaths 0.5", scores)
    merge(ties(zoo(), zoo(seed=1), other), tmp_path / "out", evidence=evidence)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.base_model is None  # a folder's name on the hub would be somebody else's
    assert card.data.tags == ["merge", "mergefront", "ties"]
    assert card.data.license is None  # they differ, so it is for the user to decide
    assert "| b | other | mit |" in card.text
    assert "revision" not in card.text.split("## Models")[1].split("## Method")[0]
    assert "A merge of 2 language models on a base, made with mergefront." in card.text
    assert "and add `license:` before you share it" in card.text
    assert "maths 0.5" in card.text
    (result,) = card.data.eval_results
    assert (result.dataset_split, result.metric_type, result.metric_value) == ("report", "acc", 0.5)


def test_a_licence_with_a_name_of_its_own_is_kept_as_the_hub_wants_it(zoo, tmp_path):
    """The hub refuses `license: my-own`."""
    models = [make_model(tmp_path / f"m{seed}", seed=seed) for seed in range(3)]
    for model in models:
        (model / "README.md").write_text("---\nlicense: other\nlicense_name: my-own\n---\n")
    merge(ties(*models), tmp_path / "out")
    data = ModelCard.load(tmp_path / "out" / "README.md").data
    assert (data.license, data.license_name) == ("other", "my-own")


def test_one_licence_of_all_models_is_that_of_the_merged_one(zoo, tmp_path):
    merge(ties(zoo(), zoo(seed=1), zoo(seed=2)), tmp_path / "out")
    assert ModelCard.load(tmp_path / "out" / "README.md").data.license == "apache-2.0"


def test_a_directory_is_replaced_only_by_force(zoo, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    recipe = ties(zoo(), zoo(seed=1), zoo(seed=2))
    with pytest.raises(ValueError, match=r"out exists already; .* --force"):
        merge(recipe, tmp_path / "out")
    assert (tmp_path / "out" / "mine").exists()
    merge(recipe, tmp_path / "out", force=True)
    assert not (tmp_path / "out" / "mine").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_tensor_that_is_not_finite_leaves_nothing(zoo, tmp_path):
    like = read(zoo())
    broken = ((name, like.tensor(name) * float("nan")) for name in like.tensors)
    with pytest.raises(ValueError, match=r"lm_head.weight .* not finite"):
        write_model(tmp_path / "new" / "out", broken, like=like, dtype="float32")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_tensor_that_is_not_the_planned_one_leaves_nothing(zoo, tmp_path):
    like = read(zoo())
    wrong = ((name, like.tensor(name)[:1]) for name in like.tensors)
    with pytest.raises(ValueError, match=r"planned lm_head.weight \(48, 16\)"):
        write_model(tmp_path / "new" / "out", wrong, like=like, dtype="float32")
    assert list((tmp_path / "new").iterdir()) == []


SLOW_WRITE = """
    import sys, time
    from pathlib import Path
    from workers.checkpoint import open_checkpoint, write_model
    from workers.recipe import Source
    like = open_checkpoint(Source(sys.argv[1]))
    def tensors():
        for i, name in enumerate(like.tensors):
            if i == 3:
                print("going", flush=True)
                time.sleep(float(sys.argv[3]))
            yield name, like.tensor(name)
    write_model(Path(sys.argv[2]), tensors(), like=like, dtype="float32")
"""


def writer(like: Path, out: Path, pause: float, **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(SLOW_WRITE), str(like), str(out), str(pause)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.slow
def test_a_killed_writer_leaves_nothing_that_loads_and_the_next_one_clears_it(zoo, tmp_path):
    out = tmp_path / "made" / "out"
    with writer(zoo(), out, 60) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    left = list(out.parent.iterdir())
    assert not out.exists()
    assert [path.suffix for path in left] == [".unfinished"]
    assert not (left[0] / "config.json").exists()
    like = read(zoo())
    write_model(out, ((n, like.tensor(n)) for n in like.tensors), like=like, dtype="float32")
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.slow
def test_a_writer_leaves_the_work_of_another_that_lives_alone(zoo, tmp_path):
    out = tmp_path / "made" / "out"
    like = read(zoo())
    with writer(zoo(), out, 3) as process:
        process.stdout.readline()
        write_model(out, ((n, like.tensor(n)) for n in like.tensors), like=like, dtype="float32")
        assert len(list(out.parent.iterdir())) == 2
        assert "out was made by another process in the meantime" in process.communicate()[1]
    assert read(out).fingerprint == like.fingerprint
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.slow
def test_a_disk_that_gives_up_on_the_way_leaves_nothing(zoo, tmp_path):
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))

    out = tmp_path / "made" / "out"
    with writer(zoo(), out, 0, preexec_fn=limit) as process:
        _, said = process.communicate()
    assert process.returncode == 1
    assert "OSError: [Errno 27] File too large" in said
    assert list(out.parent.iterdir()) == []


def test_mergekit_is_never_imported(zoo, tmp_path):
    merge(ties(zoo(), zoo(seed=1), zoo(seed=2)), tmp_path / "out")
    assert mergekit.__file__.startswith(str(Path.cwd()))
    assert not any(name.split(".")[0] == "mergekit" for name in sys.modules)

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluators.demo import CHARACTERS, documents
from workers.demo import EXPERTS, STAMP, DemoPaths, DemoSettings, make_demo

TINY = DemoSettings.tiny()
BRIEF = replace(TINY, base_steps=2, expert_steps=1)
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def told() -> list[tuple[str, float]]:
    return []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, float]]) -> DemoPaths:
    root = tmp_path_factory.mktemp("demo")
    return make_demo(root, TINY, progress=lambda what, share: told.append((what, share)))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def test_base_and_experts_load_as_any_model_does(made):
    for folder in (made.base, *made.experts.values()):
        model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
        assert not any(info.values())
        assert model.dtype == torch.float32
        assert model.config.num_hidden_layers >= 4


def test_the_tokenizer_gives_back_every_character(made):
    tokenizer = AutoTokenizer.from_pretrained(made.base)
    tokens = tokenizer(CHARACTERS)["input_ids"]
    assert len(tokens) == len(CHARACTERS)
    assert tokenizer.decode(tokens) == CHARACTERS
    assert tokenizer.pad_token_id != tokenizer.eos_token_id == tokenizer.bos_token_id


def test_training_teaches_and_every_expert_is_a_model_of_its_own(made):
    tokenizer = AutoTokenizer.from_pretrained(made.base)
    text = tokenizer(documents("letters", 1)[0]["text"], return_tensors="pt")["input_ids"]
    losses = set()
    for folder in (made.base, *made.experts.values()):
        with torch.no_grad():
            model = AutoModelForCausalLM.from_pretrained(folder)
            losses.add(model(input_ids=text, labels=text).loss.item())
    assert len(losses) == 1 + len(EXPERTS)
    assert max(losses) < torch.log(torch.tensor(len(tokenizer))).item()  # better than guessing


def test_progress_names_each_model_and_ends_at_one(made, told):
    assert list(dict.fromkeys(what for what, _ in told)) == [
        f"training {name}" for name in ("base", *EXPERTS)
    ]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_is_made_is_not_made_again(made):
    before = (made.base / WEIGHTS).stat().st_mtime_ns
    assert make_demo(made.base.parents[1], TINY) == made
    assert (made.base / WEIGHTS).stat().st_mtime_ns == before


def test_the_same_settings_make_the_same_models_to_the_last_bit_and_leave_torch_alone(tmp_path):
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    one, two = (make_demo(tmp_path / name, BRIEF) for name in ("one", "two"))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    for name, folder in one.experts.items():
        other = weights(two.experts[name])
        assert all(torch.equal(tensor, other[key]) for key, tensor in weights(folder).items())


def test_other_settings_a_missing_model_or_other_code_make_them_anew(tmp_path):
    paths = make_demo(tmp_path, BRIEF)
    stamp = paths.base.parent / STAMP
    for spoil in (
        (paths.experts["sort"] / WEIGHTS).unlink,
        lambda: stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "code": "other"})),
        stamp.unlink,
    ):
        spoil()
        before = (paths.base / WEIGHTS).stat().st_ino
        make_demo(tmp_path, BRIEF)
        assert (paths.base / WEIGHTS).stat().st_ino != before
    make_demo(tmp_path, replace(BRIEF, layers=5))
    assert len(weights(paths.base)) > len(weights(make_demo(tmp_path / "4", BRIEF).base))


def test_a_make_that_is_stopped_leaves_the_models_that_were_there_and_no_others(tmp_path):
    paths = make_demo(tmp_path, BRIEF)
    before = (paths.base / WEIGHTS).read_bytes()

    def stop(_what: str, share: float) -> None:
        if share > 0.9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path, replace(BRIEF, expert_steps=3), progress=stop)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["models", "tasks"]
    assert (paths.base / WEIGHTS).read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path / "new", BRIEF, progress=stop)
    assert not (tmp_path / "new" / "models").exists()

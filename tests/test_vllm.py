"""The engine vLLM: real merges in a living engine, and a search on real Ray."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("vllm", reason="scripts/setup --vllm makes an environment with vLLM")

import torch

from evaluators.documents import DocumentSettings
from evaluators.gate_limits import GateSettings
from evaluators.scores import BrokenModel
from evaluators.suite import make_vllm_engine
from evaluators.tasks import SuiteSettings, TaskError, VllmSettings
from search.cli.demo import rescore
from search.runs import export, open_run, results_of
from tests.search.conftest import write_pick, write_task, write_text
from tests.workers.makers import MULTI_PART, make_model, make_tokenizer
from workers.candidate import Candidate
from workers.checkpoint import load_tokenizer, open_checkpoint
from workers.loading_check import check_tokenizer
from workers.recipe import Group, Recipe, Source
from workers.scoring_engine import scoring_engine
from workers.weights import FileWeights
from workers.worker import Setup, Worker

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.filterwarnings("ignore"),  # of vLLM and what it imports
]
ROOT = Path(__file__).parents[1]
SHAPE = {"hidden_size": 128, "intermediate_size": 192, "num_attention_heads": 2, "head_dim": 64}
SHAPE |= {"num_key_value_heads": 1, "max_position_embeddings": 256}
VLLM = {"dtype": "float32", "enforce_eager": True}
WORDS = [f"w{i}" for i in range(38)]
PREFIX = " ".join(WORDS * 4)
"""Longer than a block of the KV cache, so that it is kept for the next prompt."""


def multi_part(kind: str) -> dict[str, Any]:
    """The parts' shapes, with heads that the CPU's kernels have."""
    parts: dict[str, Any] = MULTI_PART[kind]
    text = {**parts["text_config"], **SHAPE}
    if kind == "qwen2_vl":
        text["rope_parameters"] = {**text["rope_parameters"], "mrope_section": [16, 8, 8]}
    return {**parts, "text_config": text}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    for seed, name in enumerate(("base", "a", "b")):
        make_model(root / name, "llama", seed, **SHAPE)
    tasks = root / "tasks"
    tasks.mkdir()
    write_pick(tasks, [f"{WORDS[i % 38]} w2" for i in range(40)], ("w1", "w2"))
    write_text(tasks, [" ".join(WORDS[i * j % 38] for j in range(9)) for i in range(1, 40)])
    write_task(
        tasks,
        "generate",
        [{"q": f"{PREFIX} {word}", "a": "w3 w4"} for word in WORDS],
        output_type="generate_until",
        doc_to_text="{{q}}",
        doc_to_target="a",
        generation_kwargs={"until": ["w1"], "max_gen_toks": 6, "do_sample": False},
        metric_list=[{"metric": "chrf", "aggregation": "chrf", "higher_is_better": True}],
    )
    return root


def suite_of(world: Path, engine: str, **changed: Any) -> SuiteSettings:
    return SuiteSettings(
        tasks=("pick", "text", "generate"),
        folder=world / "tasks",
        documents=DocumentSettings.model_validate("all"),
        engine=engine,
        vllm=VllmSettings(**{**VLLM, **changed}),
        keep_responses=True,
    )


def setup_of(world: Path, engine: str, **changed: Any) -> Setup:
    models = {name: Source(str(world / name)) for name in "ab"}
    return Setup(Source(str(world / "base")), models, suite_of(world, engine, **changed))


def recipe_of(world: Path, a: float) -> Recipe:
    setup = setup_of(world, "vllm")
    group = Group({"weight": {"a": a, "b": 1 - a}, "density": 0.5})
    return Recipe("ties", setup.models, (group,), setup.base)


@pytest.fixture(scope="module")
def worker(world: Path) -> Worker:
    return Worker(setup_of(world, "vllm"))


def responses(worker: Worker, recipe: Recipe) -> list[str]:
    worker._load(recipe)
    return worker._evaluator.score({"generate": range(38)}).responses["response"].to_pylist()


def test_scores_follow_the_recipe_and_are_near_those_of_transformers(worker, world):
    other = Worker(setup_of(world, "hf"))
    for a in (0.2, 0.8, 0.2):
        ours, theirs = (
            each.evaluate(Candidate(0, recipe_of(world, a))) for each in (worker, other)
        )
        assert ours.state == theirs.state == "scored", ours.cause
        assert ours.conditions.engine.startswith("vllm")
        assert ours.values["pick"]["acc,none"] == theirs.values["pick"]["acc,none"]
        for task, metric in (("pick", "gold_logprob,none"), ("text", "bits_per_byte,none")):
            assert ours.values[task][metric] == pytest.approx(theirs.values[task][metric], abs=1e-5)
        cut = "truncated,none"
        assert ours.values["generate"][cut] == theirs.values["generate"][cut] < 1
    again = worker.evaluate(Candidate(1, recipe_of(world, 0.2)))
    assert again.values == ours.values


def test_a_kept_prefix_of_other_weights_would_answer_and_does_not(worker, world, monkeypatch):
    one, two = recipe_of(world, 0.0), recipe_of(world, 1.0)
    right = responses(worker, two)
    responses(worker, one)
    assert responses(worker, two) == right
    responses(worker, one)
    monkeypatch.setattr(worker._scoring.model, "reset_prefix_cache", lambda: None)
    assert responses(worker, two) != right  # the test would notice


def test_a_weight_that_is_not_finite_is_named_and_the_next_candidate_is_scored(worker, world):
    before = worker.evaluate(Candidate(0, recipe_of(world, 0.5)))
    stream = type(worker._engine).stream

    def spoilt(engine: Any, recipe: Recipe) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in stream(engine, recipe):
            yield name, tensor * torch.nan if name.endswith("down_proj.weight") else tensor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(worker._engine), "stream", spoilt)
        broken = worker.evaluate(Candidate(1, recipe_of(world, 0.5)))
    assert broken.state == "broken"
    assert broken.cause == "weight model.layers.0.mlp.down_proj.weight is not finite"
    assert worker.evaluate(Candidate(2, recipe_of(world, 0.5))).values == before.values


def test_a_model_with_logits_that_are_not_finite_is_broken_and_spoils_no_other(worker, world):
    before = worker.evaluate(Candidate(0, recipe_of(world, 0.5)))
    stream = type(worker._engine).stream

    def huge(engine: Any, recipe: Recipe) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in stream(engine, recipe):
            yield name, tensor * 1e30 if ".mlp." in name else tensor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(worker._engine), "stream", huge)
        worker._load(recipe_of(world, 0.5))
    assert worker._scoring.weight_error() is None
    with pytest.raises(BrokenModel, match="logits are not finite"):
        worker._evaluator.score({"generate": range(4)})
    again = worker.evaluate(Candidate(1, recipe_of(world, 0.5)))
    assert before.state == again.state == "scored"
    assert again.values == before.values


def test_a_merge_that_fails_half_way_leaves_nothing_to_the_next_candidate(worker, world):
    before = worker.evaluate(Candidate(0, recipe_of(world, 0.5)))
    stream = type(worker._engine).stream

    def torn(engine: Any, recipe: Recipe) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in stream(engine, recipe):
            if name.endswith("up_proj.weight"):  # vLLM fuses it with gate_proj, which it has
                raise OSError("the disk is gone")
            yield name, tensor + 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(worker._engine), "stream", torn)
        failed = worker.evaluate(Candidate(1, recipe_of(world, 0.5)))
    assert failed.state == "failed"
    assert "OSError: the disk is gone" in failed.cause
    assert worker.evaluate(Candidate(2, recipe_of(world, 0.5))).values == before.values


def test_the_gate_stops_a_model_that_predicts_far_worse_than_its_inputs(worker, world):
    models = {name: Source(str(world / name)) for name in "ab"}
    base = Source(str(world / "base"))
    far = Recipe("task_arithmetic", models, (Group({"weight": 40.0, "lambda": 5.0}),), base)
    outcome = worker.evaluate(Candidate(0, far))
    assert outcome.state == "broken"
    assert "the input models' highest" in outcome.cause


def test_the_gate_cuts_texts_to_what_vllm_has_room_for(world, tmp_path):
    setup = setup_of(world, "vllm", max_model_len=64)
    write_text(tmp_path, [" ".join(WORDS * 4)] * 40)
    suite = setup.suite.model_copy(update={"tasks": ("text",), "folder": tmp_path})
    worker = Worker(replace(setup, suite=suite))
    assert worker.evaluate(Candidate(0, recipe_of(world, 0.5))).state == "scored"


def test_a_document_that_does_not_fit_is_named_when_the_worker_starts(world):
    with pytest.raises(TaskError, match="task generate: 38 of 38 documents are longer than 64 tok"):
        Worker(setup_of(world, "vllm", max_model_len=64))


def test_a_head_size_that_the_cpu_build_lacks_ends_the_start_with_the_reason(tmp_path):
    folder = make_model(tmp_path / "small", "llama")  # heads of 4 entries
    settings = SuiteSettings(tasks=("x",), vllm=VllmSettings(**VLLM))

    def start() -> None:
        make_vllm_engine(folder, settings).text_losses([[1, 2, 3]])

    with pytest.raises(Exception, match="head_dim"):
        start()


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("llama", {**SHAPE, "tie_word_embeddings": True}),
        ("gpt2", {"n_embd": 128, "n_head": 2, "n_positions": 256}),  # tied too, and with biases
        ("mixtral", {**SHAPE, "intermediate_size": 64}),
        ("llava", multi_part("llava")),
        ("gemma3", multi_part("gemma3")),
        ("qwen2_vl", multi_part("qwen2_vl")),
    ],
)
def test_weights_in_place_answer_as_weights_from_files(kind, changed, tmp_path):
    from lm_eval.models import vllm_causallms

    if kind in MULTI_PART:
        pytest.importorskip("torchvision")
    folders = [make_model(tmp_path / str(seed), kind, seed, **changed) for seed in range(2)]
    opened = [open_checkpoint(Source(str(folder))) for folder in folders]
    settings = SuiteSettings(tasks=("x",), engine="vllm", vllm=VllmSettings(**VLLM))
    engine = scoring_engine(settings, opened[0], device="cpu", spread=False)
    texts = [list(range(5, 30)), list(range(30, 2, -2))]
    requests = [(("", ""), text[:1], text[1:]) for text in texts]
    no_media = {"image": 0, "video": 0}
    given = {**settings.vllm.arguments(None, on_cpu=True), "limit_mm_per_prompt": no_media}
    # kept alive together, since they share process groups
    others = [vllm_causallms.VLLM(str(folder), **given) for folder in folders]
    expected = [each._loglikelihood_tokens(requests) for each in others]
    assert expected[0] != expected[1]
    for number in (1, 0, 1):
        engine.load(FileWeights(opened[number]))
        assert engine._loglikelihood_tokens(requests) == expected[number]


def test_weights_that_vllm_does_not_replace_end_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluators.suite.vllm_weights._pack_embeddings", lambda _worker: None)
    folder = make_model(tmp_path / "tied", "llama", **SHAPE, tie_word_embeddings=True)
    settings = SuiteSettings(tasks=("x",), engine="vllm", vllm=VllmSettings(**VLLM))
    with pytest.raises(ValueError, match="vllm does not predict what the base's weights say"):
        scoring_engine(settings, open_checkpoint(Source(str(folder))), device="cpu", spread=False)


def test_a_tokenizer_with_other_tokens_is_named(worker, world, tmp_path):
    own = load_tokenizer(open_checkpoint(Source(str(world / "a"))))
    check_tokenizer(worker._scoring, own)
    make_tokenizer(tmp_path, ["<s>", "</s>", *WORDS[::-1]])
    other = type(own).from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"vllm reads the tokenizer otherwise: token 'w\d+' is"):
        check_tokenizer(worker._scoring, other)


def test_multi_part_models_are_scored_near_transformers(world, tmp_path):
    pytest.importorskip("torchvision")
    paths = {
        name: make_model(tmp_path / name, "gemma3", seed, **multi_part("gemma3"))
        for seed, name in enumerate(("base", "a", "b"))
    }
    sources = {name: Source(str(path)) for name, path in paths.items()}
    base, models = sources.pop("base"), sources
    group = Group({"weight": 0.5, "density": 0.5})
    candidate = Candidate(0, Recipe("ties", models, (group,), base))
    off = GateSettings(enabled=False)
    found = {
        engine: Worker(Setup(base, models, suite_of(world, engine), off)).evaluate(candidate)
        for engine in ("hf", "vllm")
    }
    assert not [each.cause for each in found.values() if each.cause]
    losses = {
        engine: outcome.values["text"]["bits_per_byte,none"] for engine, outcome in found.items()
    }
    assert losses["vllm"] == pytest.approx(losses["hf"], abs=1e-4)


def test_memory_that_does_not_suffice_for_one_document_is_named(world):
    with pytest.raises(ValueError, match="KV cache is needed, which is larger than the available"):
        Worker(setup_of(world, "vllm", kv_cache_gib=3e-4))


def python() -> Path:
    """Of a driver without vLLM, where there is one beside this environment."""
    plain = ROOT / ".venv" / "bin" / "python"
    return plain if plain.exists() else Path(sys.executable)


def mergefront(*arguments: object) -> list[str]:
    return [str(python()), "-m", "search", *map(str, arguments)]


def test_a_killed_search_is_resumed_and_its_export_has_the_recorded_scores(world, tmp_path):
    config = {
        "base": str(world / "base"),
        "models": {name: str(world / name) for name in "ab"},
        "tasks": str(world / "tasks"),
        "objectives": {
            "pick": {"task": "pick", "metric": "acc"},
            "text": {"task": "text", "metric": "bits_per_byte"},
            "generate": {"task": "generate", "metric": "chrf"},
        },
        "scoring": {"engine": "vllm", "vllm": VLLM},
        "documents": "all",
        "gate": {"enabled": False},  # models of random weights
        "budget": {"trials": 60},
        "workers": {"cpus": 2, "max": 1, "runtime_env": {"py_executable": sys.executable}},
        "run": str(tmp_path / "run"),
    }
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    with (tmp_path / "log").open("wb") as log:
        search = subprocess.Popen(mergefront("search", file), cwd=ROOT, stdout=log, stderr=log)
    deadline = time.monotonic() + 300
    while len(list((tmp_path / "run").glob("finished/0*.parquet"))) < 8:
        assert search.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(search.pid, signal.SIGKILL)
    search.wait()
    done = subprocess.run(
        mergefront("resume", tmp_path / "run", "--trials", 24),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan, ledger = open_run(tmp_path / "run")
    pick = results_of(ledger).pick("knee")
    written = export(plan, pick, tmp_path / "merged")
    assert "--model vllm" in written.command
    again = rescore(written.recheck)
    assert {each.name: each.value(again) for each in plan.objectives} == dict(pick.scores)
    config["scoring"]["engine"] = "hf"
    file.write_text(yaml.safe_dump(config))
    refused = subprocess.run(
        mergefront("resume", tmp_path / "run", "--config", file),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "scoring.engine" in refused.stderr

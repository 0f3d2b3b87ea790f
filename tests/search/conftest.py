"""A small world to search in: random Llamas on disk, two tasks, and a config that is right."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import constants
from transformers import LlamaConfig, LlamaForCausalLM

from search.config import Plan
from search.driver import baselines
from search.ledger import Ledger, Proposal, Trial
from search.objectives import Objective
from search.runs import create_run
from search.space import Space, SpaceSettings
from tests.search.hub import Hub
from tests.workers.makers import WORDS, make_tokenizer
from workers.recipe import Source

OBJECTIVES = [
    Objective.of("picks", "pick", "acc,none", "maximize"),
    Objective.of("text", "text", "bits_per_byte,none", "minimize"),
]


def write_model(folder: Path, seed: int, **changes: Any) -> Path:
    torch.manual_seed(seed)
    shape = {
        "vocab_size": 40,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "bos_token_id": 0,
        "eos_token_id": 1,
        **changes,
    }
    LlamaForCausalLM(LlamaConfig(**shape)).save_pretrained(folder)
    return folder


def write_task(folder: Path, name: str, docs: list[dict[str, Any]], **config: Any) -> None:
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    content = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "num_fewshot": 0,
        **config,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))


def write_pick(folder: Path, questions: list[str], choices: tuple[str, str]) -> None:
    """A multiple-choice task: the right choice is the first one and the second in turn."""
    write_task(
        folder,
        "pick",
        [{"q": q, "choices": choices, "gold": i % 2} for i, q in enumerate(questions)],
        output_type="multiple_choice",
        doc_to_text="{{q}}",
        doc_to_choice="choices",
        doc_to_target="gold",
        metric_list=[{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    )


def write_text(folder: Path, texts: list[str]) -> None:
    """A task that measures how well texts are predicted."""
    write_task(
        folder,
        "text",
        [{"t": text} for text in texts],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{t}}",
        metric_list=[{"metric": "bits_per_byte"}],
    )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    for seed, name in enumerate(["base", "a", "b", "c"]):
        make_tokenizer(write_model(root / name, seed), WORDS)
    write_model(root / "wide", 9, hidden_size=32)
    tasks = root / "tasks"
    tasks.mkdir()
    write_pick(tasks, [f"q{i}" for i in range(40)], ("x", "y"))
    write_text(tasks, [f"text number {i}" for i in range(40)])
    return root


@pytest.fixture
def config(world: Path, tmp_path: Path) -> dict[str, Any]:
    """A config that is right; tests break it."""
    return {
        "name": "test",
        "base": str(world / "base"),
        "models": {name: str(world / name) for name in "abc"},
        "methods": ["linear", "slerp", "task_arithmetic", "ties", "dare_ties"],
        "space": {"depth": {"groups": 2}},
        "tasks": str(world / "tasks"),
        "objectives": {
            "picks": {"task": "pick", "metric": "acc"},
            "text": {"task": "text", "metric": "bits_per_byte"},
        },
        "budget": {"trials": 12},
        "run": str(tmp_path / "run"),
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Writes a config file and says where."""

    def to_file(content: dict[str, Any]) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return to_file


@pytest.fixture
def hub(monkeypatch):
    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "good")
        yield server
        server.shutdown()


def begin_scored(plan: Plan, texts: Sequence[float]) -> Ledger:
    """A run whose baselines are scored, as many as there are scores of text."""
    return score_baselines(create_run(plan), plan, texts)


def score_baselines(ledger: Ledger, plan: Plan, texts: Sequence[float]) -> Ledger:
    """The same for a run that exists."""
    for number, (first, text) in enumerate(zip(baselines(plan.space).known, texts, strict=False)):
        proposal = Proposal.create(number, first.recipe, first.params, first.label)
        ledger.propose(proposal)
        ledger.finish(Trial(proposal, "scored", number, {"picks": 0.1 * number, "text": text}))
    return ledger


def make_space(*methods: str, models: str = "abc", **settings: Any) -> Space:
    sources = {name: Source(f"/models/{name}", fingerprint=name * 4) for name in models}
    base = Source("/models/base", fingerprint="0000")
    return Space(methods, sources, base, 4, SpaceSettings(**settings))

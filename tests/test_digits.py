"""An evaluator that is no lm-eval at all: a small network on scikit-learn's digits.

Two parents, trained on the digits 0 to 4 and on 5 to 9, are merged as in "natural niches"
(https://arxiv.org/abs/2508.16204): the search finds networks that know all ten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from evaluators.documents import DocumentSettings, split
from evaluators.engine import Weights
from evaluators.gate_limits import Probes
from evaluators.scores import Conditions, Row, Scores, raw_values, table
from evaluators.stages import StagedTasks
from evaluators.tasks import SuiteSettings
from search.driver import Budget, Driver, baselines
from search.ledger import Ledger
from search.objectives import Objective
from search.results import RunResults
from search.samplers import Auto, Study
from search.space import MergeFeatures, Space, SpaceSettings
from workers.checkpoint import Checkpoint
from workers.pool import InProcessPool
from workers.recipe import Source
from workers.worker import Setup, Worker

KEY = "acc,none"
OBJECTIVES = [Objective.of(name, name, KEY, "maximize") for name in ("low", "high")]


def network() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))


class DigitsEvaluator:
    """Tasks `low` and `high`: is the digit of an image recognised?"""

    warnings: Sequence[str] = ()
    random_fewshot: Sequence[str] = ()

    def __init__(self, settings: SuiteSettings) -> None:
        digits = load_digits()
        self._images = torch.tensor(digits.data / 16, dtype=torch.float32)
        self._labels = torch.tensor(digits.target)
        self._rows = {  # task -> positions of its images; the first two thirds are trained on
            "low": np.flatnonzero(digits.target < 5)[600:],
            "high": np.flatnonzero(digits.target >= 5)[600:],
        }
        hashes = {task: [f"{task}{i}" for i in range(len(r))] for task, r in self._rows.items()}
        self.documents = split(hashes, settings.documents)
        self.fingerprints = {task: ("digits", str(len(rows))) for task, rows in self._rows.items()}

    @property
    def staged_tasks(self) -> StagedTasks:
        return StagedTasks({task: len(ids) for task, ids in self.documents["search"].items()})

    def metrics(self) -> dict[str, dict[str, bool | None]]:
        return {task: {KEY: True} for task in self._rows}

    def bind_engine(self, engine: NetworkEngine) -> None:
        self._engine = engine

    def probes(self, texts: int, prompts: int) -> Probes:
        return Probes(())

    @torch.no_grad()
    def score(self, documents: Mapping[str, Sequence[int]]) -> Scores:
        rows = []
        for task, ids in documents.items():
            images = self._rows[task][list(ids)]
            right = self._engine.model(self._images[images]).argmax(-1) == self._labels[images]
            for i, value in zip(ids, right.tolist(), strict=True):
                rows.append(Row(task, i, f"{task}{i}", "", "acc", "none", float(value)))
        found = table(rows)
        return Scores(self.aggregate(found), found, self._engine.conditions)

    def aggregate(self, documents: Any) -> dict[str, dict[str, float]]:
        raw = raw_values(documents)
        return {task: {KEY: float(np.mean(raw[task]["acc", "none"]))} for task in raw}

    def command(self, *_: object) -> list[str]:
        return []


class NetworkEngine:
    """Holds one network, and takes weights as a stream."""

    conditions = Conditions(0, 1, "cpu", "digits")
    tokenizer = None

    def __init__(self, settings: SuiteSettings, base: Checkpoint, **_: object) -> None:
        self.model = network()

    def load(self, weights: Weights) -> None:
        self.model.load_state_dict(dict(weights.stream()))


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """A base that has seen a little of all digits, and a parent for each half of them."""
    root = tmp_path_factory.mktemp("digits")
    digits = load_digits()
    images = torch.tensor(digits.data / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    low, high = (np.flatnonzero(some)[:600] for some in (digits.target < 5, digits.target >= 5))
    torch.manual_seed(0)
    base = train(network(), images, labels, np.concatenate([low, high]), 15)
    saved = {"base": base}
    for name, rows in (("low", low), ("high", high)):
        saved[name] = train(copy_of(base), images, labels, rows, 60)
    for name, model in saved.items():
        (root / name).mkdir()
        save_file(model.state_dict(), root / name / "model.safetensors")
        (root / name / "config.json").write_text(json.dumps({"model_type": "digits_network"}))
    return {name: Source(str(root / name)) for name in saved}


def copy_of(model: torch.nn.Module) -> torch.nn.Module:
    new = network()
    new.load_state_dict(model.state_dict())
    return new


def train(model: Any, images: Any, labels: Any, rows: Any, steps: int) -> torch.nn.Module:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(model(images[rows]), labels[rows]).backward()
        optimizer.step()
    return model


def test_a_search_of_another_kind_of_model_finds_what_both_parents_know(parents, tmp_path):
    sources = dict(parents)
    base = sources.pop("base")
    space = Space(("linear", "task_arithmetic", "ties"), sources, base, 1, SpaceSettings())
    suite = SuiteSettings(tasks=(), documents=DocumentSettings(search=0.5, selection=0, report=0.5))
    worker = Worker(
        Setup(base, sources, suite, make_evaluator=DigitsEvaluator, make_engine=NetworkEngine)
    )
    header = {"name": "digits", "objectives": {}, "budget": {"trials": 40}}
    features = MergeFeatures(space)
    driver = Driver(
        study=Study(Auto(), space.axes, [o.direction for o in OBJECTIVES], 0, features),
        pool=InProcessPool(worker.evaluate),
        ledger=Ledger.create(tmp_path / "run", header, ""),
        recipe_of=space.recipe,
        baselines=baselines(space),
        objectives=OBJECTIVES,
        budget=Budget(trials=40),
    )
    driver.run()
    results = RunResults(OBJECTIVES, Ledger(tmp_path / "run").trials())
    best, models = results.pick("mean"), results.models
    for own, other in (("low", "high"), ("high", "low")):
        assert models[own].scores[own] > 0.9
        assert models[own].scores[other] < 0.5
    known = [results.baselines[name].scores for name in ("base", "uniform soup")]
    assert min(best.scores.values()) > max(min(each.values()) for each in known)
    documents = driver.ledger.documents(best.number)
    assert documents.num_rows == sum(map(len, DigitsEvaluator(suite).documents["search"].values()))

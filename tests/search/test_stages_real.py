"""A search in stages with real models, tasks and merges, from its config to its front."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from search.config import Plan, make_plan
from search.ledger import Ledger, Trial
from search.objectives import losses
from search.results import Effort
from search.runs import create_run, export, results_of, run_search
from tests.search.conftest import write_task
from workers.candidate import Candidate, Outcome
from workers.pool import InProcessPool
from workers.worker import Setup, Worker

DOCUMENTS = 128  # of each task


@pytest.fixture(scope="module")
def root(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's models, with tasks that have more documents."""
    folder = tmp_path_factory.mktemp("staged")
    (folder / "tasks").mkdir()
    for name, words in (("text", "text number {}"), ("other", "{} is a q number")):
        write_task(
            folder / "tasks",
            name,
            [{"t": words.format(i)} for i in range(DOCUMENTS)],
            output_type="loglikelihood_rolling",
            doc_to_text="",
            doc_to_target="{{t}}",
            metric_list=[{"metric": "bits_per_byte"}],
        )
    return folder


@pytest.fixture(scope="module")
def plan(world: Path, root: Path) -> Plan:
    content: dict[str, Any] = {
        "base": str(world / "base"),
        "models": {name: str(world / name) for name in "abc"},
        "methods": ["linear", "task_arithmetic", "ties"],
        "tasks": str(root / "tasks"),
        "objectives": {n: {"task": n, "metric": "bits_per_byte"} for n in ("text", "other")},
        "documents": "all",
        "stages": [16, 32, 64],
        "gate": {"enabled": False},
        "budget": {"trials": 24},
        "run": str(root / "run"),
    }
    (root / "config.yaml").write_text(yaml.safe_dump(content))
    return make_plan(root / "config.yaml")


@pytest.fixture(scope="module")
def worker(plan: Plan) -> Worker:
    return Worker(Setup(plan.base, plan.models, plan.suite, plan.config.gate, plan.config.merging))


@pytest.fixture(scope="module")
def searched(plan: Plan, worker: Worker) -> Ledger:
    ledger = create_run(plan)
    run_search(plan, ledger, plan.config.budget, make_pool=pool_of(worker.evaluate))
    return Ledger(ledger.root)


def pool_of(evaluate: Callable[[Candidate], Outcome]) -> Callable[..., InProcessPool]:
    return lambda plan, address: InProcessPool(evaluate)


def fully(plan: Plan, worker: Worker, trial: Trial) -> dict[str, float]:
    """The scores of a trial with stages off."""
    outcome = worker.evaluate(Candidate(trial.number, trial.proposal.recipe))
    return {each.name: each.value(outcome.values) for each in plan.objectives}


def test_some_candidates_stop_and_each_is_dominated_when_it_is_scored_completely(
    plan, worker, searched
):
    results = results_of(searched)
    stopped = [trial for trial in results.trials if trial.state == "stopped"]
    assert len(stopped) >= 3
    front = np.array([losses(plan.objectives, trial.scores) for trial in results.front])
    for trial in stopped:
        row = losses(plan.objectives, fully(plan, worker, trial))
        assert ((front <= row).all(1) & (front < row).any(1)).any(), trial.number
    assert Effort.of(results.trials).saved > 0


def test_what_is_not_stopped_has_the_scores_that_it_has_with_stages_off(plan, worker, searched):
    scored = [trial for trial in searched.trials() if trial.state == "scored"]
    assert len(scored) >= 5
    for trial in scored:
        assert trial.documents == 2 * DOCUMENTS
        assert trial.scores == pytest.approx(fully(plan, worker, trial), rel=1e-5)


def test_an_export_says_when_the_scores_are_of_several_scorings(plan, searched, tmp_path):
    trials = {trial.label: trial for trial in searched.trials() if trial.state == "scored"}
    for label, in_parts in ((None, True), ("uniform soup", False)):
        assert export(plan, trials[label], tmp_path / str(label)).in_parts is in_parts


def test_a_finished_run_in_stages_has_nothing_to_do_and_repeats_what_it_decided(
    plan, worker, searched
):
    """A second session replays everything; only its budget is larger."""
    before = searched.trials()
    budget = plan.config.budget.model_copy(update={"trials": 27})
    driver = run_search(plan, searched, budget, make_pool=pool_of(worker.evaluate))
    assert driver.trials[:24] == before
    assert len(driver.trials) == 27

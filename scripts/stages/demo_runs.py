"""Searches of the demo's models on more documents, each kept as an ordinary run."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from search.cli.demo import SEARCH
from search.config import Plan, make_plan
from search.driver import Budget
from search.ledger import Ledger
from search.runs import create_run, open_run, run_search
from workers.demo import DemoSettings, make_demo
from workers.pool import InProcessPool
from workers.worker import Setup, Worker

DOCUMENTS = 1000  # of each task


@dataclass(frozen=True)
class DemoRun:
    """A search that is done."""

    plan: Plan
    ledger: Ledger
    seconds: float
    """Of CPU, for the trials up to `budget.trials` of its config."""


def searched(
    cache: Path, name: str, seed: int, trials: int, objectives: Sequence[str] = (), **changes: Any
) -> DemoRun:
    """The run of a search, which is done unless it is there.

    Args:
        cache: the folder of models and runs.
        name: of the searches that differ in nothing but the seed.
        seed: of the search.
        trials: its budget.
        objectives: some of the demo's; none means all.
        changes: other keys of the config.
    """
    run = cache / "runs" / name / f"{seed:02}"
    if not Ledger.is_at(run):
        create_run(make_plan(_config(cache, run, seed, trials, objectives, changes)))
    plan, ledger = open_run(run)
    return DemoRun(plan, ledger, _finished(plan, ledger, run.with_suffix(".json")))


def extended(run: DemoRun, **budget: float) -> DemoRun:
    """The same search, continued with another budget unless that is spent."""
    run_search(run.plan, run.ledger, Budget(**budget), make_pool=in_process)
    return run


def in_process(plan: Plan, _address: str) -> InProcessPool:
    """A real worker in this process: one candidate at a time, so a search can be repeated."""
    return InProcessPool(_worker(plan).evaluate)


def _config(
    cache: Path, run: Path, seed: int, trials: int, objectives: Sequence[str], changes: Any
) -> Path:
    make_demo(cache, DemoSettings(documents=DOCUMENTS))
    names = objectives or tuple(SEARCH["objectives"])
    content = {
        **SEARCH,
        "base": str(cache / "models" / "base"),
        "models": {each: str(cache / "models" / each) for each in SEARCH["models"]},
        "tasks": str(cache / "tasks"),
        "objectives": {each: SEARCH["objectives"][each] for each in names},
        "budget": {"trials": trials},
        "workers": {"cpus": 1, "max": 1},
        "run": str(run),
        "seed": seed,
        **changes,
    }
    run.parent.mkdir(parents=True, exist_ok=True)
    config = run.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return config


def _finished(plan: Plan, ledger: Ledger, seconds: Path) -> float:
    """Finishes a search; returns how long it took, which is kept in a file."""
    if not seconds.exists():
        _worker(plan)  # its start is no part of the search
        start = time.process_time()
        driver = run_search(plan, ledger, plan.config.budget, make_pool=in_process)
        if not driver.finished:
            raise SystemExit(f"{ledger.root} is not finished; delete it, as its time is not known")
        seconds.write_text(json.dumps({"cpu": time.process_time() - start}), encoding="utf-8")
    return float(json.loads(seconds.read_text(encoding="utf-8"))["cpu"])


_WORKERS: dict[str, Worker] = {}


def _worker(plan: Plan) -> Worker:
    key = repr((plan.base, plan.suite))
    if key not in _WORKERS:
        _WORKERS[key] = Worker(
            Setup(plan.base, plan.models, plan.suite, plan.config.gate, plan.config.merging)
        )
    return _WORKERS[key]

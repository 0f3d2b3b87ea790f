"""Searches of the demo's models on more documents, each kept as an ordinary run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from search.cli.demo import SEARCH
from search.config import Plan, make_plan
from search.ledger import Ledger
from search.runs import create_run, open_run, run_search
from workers.demo import DemoSettings, make_demo
from workers.pool import InProcessPool
from workers.worker import Setup, Worker

DOCUMENTS = 1000  # of each task


def searched(cache: Path, name: str, seed: int, trials: int, **changes: Any) -> Ledger:
    """The run of a search, which is done unless it is there."""
    make_demo(cache, DemoSettings(documents=DOCUMENTS))
    run = cache / "runs" / name / f"{seed:02}"
    content = {
        **SEARCH,
        "base": str(cache / "models" / "base"),
        "models": {each: str(cache / "models" / each) for each in SEARCH["models"]},
        "tasks": str(cache / "tasks"),
        "budget": {"trials": trials},
        "workers": {"cpus": 1, "max": 1},
        "run": str(run),
        "seed": seed,
        **changes,
    }
    config = cache / f"{name}-{seed:02}.yaml"
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    if Ledger.is_at(run):
        plan, ledger = open_run(run)
    else:
        plan = make_plan(config)
        ledger = create_run(plan)
    run_search(plan, ledger, plan.config.budget, make_pool=in_process)
    return ledger


def in_process(plan: Plan, _address: str) -> InProcessPool:
    """A real worker in this process: one candidate at a time, so a search can be repeated."""
    return InProcessPool(_worker(str(plan.config.base), plan).evaluate)


_WORKERS: dict[str, Worker] = {}


def _worker(key: str, plan: Plan) -> Worker:
    if key not in _WORKERS:
        _WORKERS[key] = Worker(
            Setup(plan.base, plan.models, plan.suite, plan.config.gate, plan.config.merging)
        )
    return _WORKERS[key]

"""The demo: real small models are made, merges searched, the best exported and scored again."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from search.cli.tables import history_table, importance_table
from search.config import plan
from search.ledger.trial import BASE, UNIFORM
from search.results import importance
from search.runs import create_run, export, results_of
from workers.demo import EXPERTS, make_demo

if TYPE_CHECKING:
    from rich.console import Console

    from search.config import Plan
    from search.driver import Budget
    from search.ledger import Ledger
    from search.ledger.trial import Trial
    from search.objectives import Objective
    from search.results import RunResults

Search = Callable[["Plan", "Ledger", "Budget"], None]

SEARCH: dict[str, Any] = {
    "name": "demo",
    "base": "models/base",
    "models": {name: f"models/{name}" for name in EXPERTS},
    "methods": ["linear", "slerp", "task_arithmetic", "ties", "dare_ties"],
    "space": {"depth": {"groups": 2}, "membership": True},
    "tasks": "tasks",
    "objectives": {
        "letters": {"task": "letters", "metric": "bits_per_byte"},
        "reverse": {"task": "reverse", "metric": "exact_match"},
        "sort": {"task": "sort", "metric": "acc"},
    },
    "documents": {"search": 0.6, "selection": 0.2, "report": 0.2},
    "budget": {"trials": 60},
    "workers": {"cpus": 1, "max": 2},
    "seed": 0,
}


class DemoError(RuntimeError):
    """The demo did not show what it is there to show; the message says what."""


def run_demo(folder: Path, console: Console, search: Search) -> None:
    """Makes the models in `folder` if they are not there, searches, exports, scores again.

    Raises:
        DemoError: if no merge beats all inputs and their soup, or plain lm-eval gives the exported
            model other scores.
    """
    _make(folder, console)
    config = _write_config(folder)
    console.print(f"searching {config}", highlight=False)
    prepared = plan(config)
    ledger = create_run(prepared)
    search(prepared, ledger, prepared.config.budget)
    found = results_of(ledger)  # whose front the search has printed
    console.print(history_table(found))
    console.print(importance_table(importance(found)))
    _say_who_won(found, console)
    chosen = found.pick("knee")
    out = Path(prepared.config.run) / "merged"
    written = export(prepared, chosen, out)
    console.print(
        f"\nexported trial {chosen.number} to {out}; scoring it again with plain lm-eval:"
    )
    console.print(f"  {written.command}", highlight=False, soft_wrap=True)
    _compare(chosen, rescore(written.recheck), prepared.objectives, console)


def rescore(command: list[str]) -> dict[str, dict[str, float]]:
    """Runs lm-eval's own command line; task -> "metric,filter" -> value.

    Raises:
        DemoError: if lm-eval fails.
    """
    with tempfile.TemporaryDirectory() as results:
        at = command.index("lm_eval")  # before it stands what it needs of the environment
        mine = [*command[:at], sys.executable, "-m", *command[at:], "--output_path", results]
        done = subprocess.run(
            mine,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = list(Path(results).rglob("results*.json"))
        if done.returncode or not found:
            raise DemoError(f"{shlex.join(command)} failed:\n{done.stderr[-4000:]}")
        content: dict[str, dict[str, float]] = json.loads(found[0].read_text())["results"]
    return content


def _make(folder: Path, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("looking for the demo's models", total=1.0)
        make_demo(
            folder,
            progress=lambda what, share: bar.update(task, description=what, completed=share),
        )
    console.print(f"models in {folder / 'models'}, tasks in {folder / 'tasks'}", highlight=False)


def _write_config(folder: Path) -> Path:
    """The search's config, with a run folder that is not taken yet."""
    number = 1
    while (folder / "runs" / f"{number:02}").exists():
        number += 1
    config = folder / "demo.yaml"
    content = {**SEARCH, "run": f"runs/{number:02}"}
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return config


def _say_who_won(found: RunResults, console: Console) -> None:
    best = max(found.front, key=found.mean, default=None)
    known = {label: found.mean(trial) for label, trial in found.baselines.items()}
    inputs = {label: mean for label, mean in known.items() if label in (BASE, *found.models)}
    if best is None or not inputs or UNIFORM not in known:
        raise DemoError("the models or their uniform soup could not be scored; see the run's logs")
    name = max(inputs, key=lambda label: inputs[label])
    console.print(
        f"best mean: trial {best.number} {found.mean(best):.3f}; the best model ({name}) has "
        f"{inputs[name]:.3f}, the uniform soup {known[UNIFORM]:.3f}",
        highlight=False,
    )
    if found.mean(best) <= max(inputs[name], known[UNIFORM]):
        raise DemoError("no merge beats every model and the uniform soup on the mean")


def _compare(
    trial: Trial,
    again: Mapping[str, Mapping[str, float]],
    objectives: list[Objective],
    console: Console,
) -> None:
    table = Table("objective", "recorded", "scored again", "")
    wrong = []
    for each in objectives:
        recorded, found = trial.scores[each.name], each.value(again)
        table.add_row(each.name, repr(recorded), repr(found), "=" if recorded == found else "≠")
        if recorded != found:
            wrong.append(each.name)
    console.print(table)
    if wrong:
        raise DemoError(f"other scores than recorded: {', '.join(wrong)}")

"""The demo: makes small real models, searches their merges, exports and re-scores the best."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from evaluators.steps import begin_step
from search.cli.front_output import print_result
from search.cli.output import say
from search.cli.session import run_session
from search.cli.steps import clear_steps
from search.cli.tables import history_table, importance_table
from search.config import make_plan
from search.ledger import BASE, UNIFORM
from search.results import importance
from search.runs import create_run, export, results_of
from workers.demo import EXPERTS, make_demo

if TYPE_CHECKING:
    from rich.console import Console

    from search.ledger import Trial
    from search.objectives import Objective
    from search.results import RunResults

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
    """The demo has failed to show what it should; the message says what."""


def run_demo(folder: Path, console: Console) -> None:
    """Makes the models in `folder` unless they exist, searches, exports and scores again.

    Raises:
        DemoError: if no merge beats all models and their uniform soup, or if lm-eval's own command
            line gives the exported model other scores.
    """
    clear_steps()
    _make_models(folder, console)
    config = _write_config(folder)
    say(f"searching {config}")
    plan = make_plan(config)
    ledger = create_run(plan)
    run_session(plan, ledger, plan.config.budget)
    print_result(ledger)
    results = results_of(ledger)
    console.print(history_table(results))
    console.print(importance_table(importance(results)))
    _compare_with_inputs(results, console)
    chosen = results.pick("knee")
    out = Path(plan.config.run) / "merged"
    written = export(plan, chosen, out)
    clear_steps()
    say(f"\nexported trial {chosen.number} to {out}; lm-eval scores it again:")
    say(f"  sh {shlex.quote(str(written.write_command()))}")
    begin_step("lm-eval scores it again")
    rescored = rescore(written.recheck)
    clear_steps()
    _compare_scores(chosen, rescored, plan.objectives, console)
    say("Equal to the last digit. To look at the run as a page, and to begin with your own models:")
    say(f"  mergefront report {shlex.quote(ledger.root)}")
    say("  mergefront init MODEL MODEL --task-folder TASKS")


def rescore(command: list[str]) -> dict[str, dict[str, float]]:
    """Runs lm-eval's own command line; returns task -> "metric,filter" -> value.

    Raises:
        DemoError: if lm-eval fails.
    """
    with tempfile.TemporaryDirectory() as results:
        start = command.index("lm_eval")  # after `env` and the variables that it sets
        lm_eval = [sys.executable, "-m", *command[start:], "--output_path", results]
        done = subprocess.run(
            [*command[:start], *lm_eval],
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


def _make_models(folder: Path, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    is_live, shown = console.is_terminal, ""
    with Progress(*columns, console=console, transient=True, disable=not is_live) as bar:
        task = bar.add_task("looking for the models of the demo", total=1.0)

        def show(step: str, share: float) -> None:
            nonlocal shown
            bar.update(task, description=step, completed=share)
            if not is_live and step != shown:
                begin_step(step)
                shown = step

        make_demo(folder, progress=show)
    say(f"models in {folder / 'models'}, tasks in {folder / 'tasks'}")


def _write_config(folder: Path) -> Path:
    """Writes the config of the search, with a run folder that does not exist yet."""
    number = 1
    while (folder / "runs" / f"{number:02}").exists():
        number += 1
    config = folder / "demo.yaml"
    content = {**SEARCH, "run": f"runs/{number:02}"}
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return config


def _compare_with_inputs(results: RunResults, console: Console) -> None:
    """Prints the best mean beside those of the models and the uniform soup."""
    best = max(results.front, key=results.mean, default=None)
    means = {label: results.mean(trial) for label, trial in results.baselines.items()}
    inputs = {label: mean for label, mean in means.items() if label in (BASE, *results.models)}
    if best is None or not inputs or UNIFORM not in means:
        raise DemoError(
            "the models or their uniform soup could not be scored; see the logs of the run"
        )
    name = max(inputs, key=lambda label: inputs[label])
    console.print(
        f"best mean: trial {best.number} has {results.mean(best):.3f}; the best single model "
        f"({name}) has {inputs[name]:.3f}, the uniform soup {means[UNIFORM]:.3f}"
    )
    if results.mean(best) <= max(inputs[name], means[UNIFORM]):
        raise DemoError("no merge beats every model and the uniform soup on the mean")


def _compare_scores(
    trial: Trial,
    rescored: Mapping[str, Mapping[str, float]],
    objectives: list[Objective],
    console: Console,
) -> None:
    table = Table("objective", "recorded", "scored again", "")
    different = []
    for each in objectives:
        old, new = trial.scores[each.name], each.value(rescored)
        table.add_row(each.name, repr(old), repr(new), "=" if old == new else "≠")
        if old != new:
            different.append(each.name)
    console.print(table)
    if different:
        raise DemoError(f"the scores differ from the recorded ones: {', '.join(different)}")

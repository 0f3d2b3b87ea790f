"""What a run says to a person at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from search.first import BASE, UNIFORM

if TYPE_CHECKING:
    from search.standing import Standing
    from search.trial import Trial

ARROWS = {"maximize": "↑", "minimize": "↓"}


def front_table(standing: Standing) -> Table:
    """The front, then the base, the models and the uniform soup."""
    table = Table(title="Pareto front", title_justify="left", caption_justify="left")
    table.caption = "mean: 0 is the worst and 1 the best of base and models, over the objectives"
    table.add_column("trial", justify="right")
    for each in standing.objectives:
        table.add_column(f"{each.name} {ARROWS[each.direction]}", justify="right")
    table.add_column("mean", justify="right")
    table.add_column("what", overflow="fold")
    knee = standing.pick("knee") if standing.front else None
    for trial in standing.front:
        table.add_row(*_row(standing, trial, _what(trial) + ("  ← knee" if trial is knee else "")))
    table.add_section()
    for label in (BASE, *standing.models, UNIFORM):
        if reference := standing.references.get(label):
            table.add_row(*_row(standing, reference, label), style="dim")
    return table


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """The status as a few lines."""
    trials = ", ".join(f"{count} {state}" for state, count in status["trials"].items() if count)
    best = "  ".join(f"{name} {value:.4f}" for name, value in status["best"].items())
    budget = status["budget"]
    return [
        f"{status['run']}: {status['state']}, {budget['spent']} of {budget['trials']} trials",
        f"trials: {trials or 'none yet'}",
        f"front: {status['front']}   best: {best or 'nothing scored yet'}",
    ]


def _row(standing: Standing, trial: Trial, what: str) -> list[str]:
    values = [f"{trial.scores[each.name]:.4f}" for each in standing.objectives]
    return [str(trial.number), *values, f"{standing.mean(trial):.3f}", what]


def _what(trial: Trial) -> str:
    if trial.label:
        return trial.label
    recipe = trial.proposal.recipe
    return f"{recipe.method} of {', '.join(recipe.models)}"

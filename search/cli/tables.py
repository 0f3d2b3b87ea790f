"""The results and the status of a run as tables and lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from evaluators.wording import counted
from search.cli.duration import duration
from search.ledger import BASE, UNIFORM
from search.results import Effort, constant_warnings

if TYPE_CHECKING:
    from search.ledger import Trial
    from search.results import RunResults

ARROWS = {"maximize": "↑", "minimize": "↓"}
BAR_WIDTH = 30  # characters of the longest bar
TOP_PARAMETERS = 8  # in a table of importance


def front_table(results: RunResults) -> Table:
    """The front, then the base, the models and the uniform soup."""
    table = Table(title="Pareto front", title_justify="left", caption_justify="left")
    table.caption = "\n".join(
        [
            "mean: over the objectives, where 0 is the worst and 1 the best of base and models",
            *constant_warnings(results.constant, len(results.scored)),
        ]
    )
    table.add_column("trial", justify="right")
    for each in results.objectives:
        table.add_column(f"{each.name} {ARROWS[each.direction]}", justify="right")
    table.add_column("mean", justify="right")
    table.add_column("recipe", overflow="fold")
    knee = results.pick("knee") if results.front else None
    for trial in results.front:
        table.add_row(
            *_row(results, trial, _description(trial) + ("  ← knee" if trial is knee else ""))
        )
    table.add_section()
    for label in (BASE, *results.models, UNIFORM):
        if reference := results.baselines.get(label):
            table.add_row(*_row(results, reference, label), style="dim")
    return table


def history_table(results: RunResults) -> Table:
    """The growth of the hypervolume: one row for each tenth of its last value."""
    table = Table(title="Hypervolume", title_justify="left", caption_justify="left")
    reference = ", ".join(
        f"{each.name} {each.sign * loss:.4f}"
        for each, loss in zip(results.objectives, results.reference_point, strict=True)
    )
    table.caption = (
        "0 is the worst and 1 the best of base and models; the reference point, just behind the "
        f"worst, is {reference}"
    )
    for column in ("scored trials", "hypervolume", ""):
        table.add_column(column, justify="left" if not column else "right")
    last = results.history[-1] if results.history else 0.0
    for scored, volume in _steps(results.history):
        bar = "█" * round(BAR_WIDTH * volume / last) if last > 0 else ""
        table.add_row(str(scored), f"{volume:.4f}", bar)
    return table


def importance_table(importance: Mapping[str, Mapping[str, float]]) -> Table:
    """The most important parameters for each objective."""
    table = Table(title="Importance", title_justify="left", caption_justify="left")
    table.caption = "the share of each parameter in whether a trial is among the best tenth"
    for objective in importance:
        table.add_column(objective)
    columns = [
        [escape(f"{name} {share:.0%}") for name, share in list(shares.items())[:TOP_PARAMETERS]]
        for shares in importance.values()
    ]
    for row in zip_longest(*columns, fillvalue=""):
        table.add_row(*row)
    return table


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """The status as a few lines."""
    trials = ", ".join(f"{count} {state}" for state, count in status["trials"].items() if count)
    best = "  ".join(
        f"by {how}: {pick['mean']:.3f} (trial {pick['trial']})"
        for how, pick in status["picks"].items()
    )
    budget = status["budget"]
    spent = f"{budget['spent']} of {counted(budget['trials'], 'trial')}"
    return [
        f"{status['run']}: {status['state']}, {spent}",
        f"trials: {trials or 'none yet'}",
        *([f"scored: {effort}"] if (effort := str(Effort(**status["documents"]))) else []),
        f"front: {status['front']}   {f'best {best}' if best else 'nothing scored yet'}",
        *_driver_lines(status),
        *(f"warning: {warning}" for warning in status["troubles"]),
    ]


def _driver_lines(status: Mapping[str, Any]) -> list[str]:
    driver, workers = status["driver"], status["workers"]
    if not driver:
        return []
    left = status["seconds_left"]
    pace = f", about {duration(left)} left" if left is not None else ""
    return [
        f"driver: {driver['who']} since {driver['since']}{pace}",
        f"workers: {workers['workers']}, {workers['busy']} busy, {workers['starting']} starting"
        + (f" ({status['preparing']})" if status["preparing"] else ""),
    ]


def _row(results: RunResults, trial: Trial, description: str) -> list[str]:
    values = [f"{trial.scores[each.name]:.4f}" for each in results.objectives]
    return [str(trial.number), *values, f"{results.mean(trial):.3f}", description]


def _description(trial: Trial) -> str:
    if trial.label:
        return trial.label
    recipe = trial.proposal.recipe
    return f"{recipe.method} of {', '.join(recipe.models)}"


def _steps(history: list[float]) -> Iterator[tuple[int, float]]:
    """The trials that brought the hypervolume to another tenth of its last value, and the last."""
    if not history:
        return
    reached = -1
    for i, volume in enumerate(history):
        tenth = int(10 * volume / history[-1]) if history[-1] > 0 else 0
        if tenth > reached or i == len(history) - 1:
            reached = tenth
            yield i + 1, volume

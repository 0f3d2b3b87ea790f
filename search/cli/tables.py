"""What a run says to a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from search.cli.duration import duration
from search.ledger.trial import BASE, UNIFORM
from search.results import constant_warnings
from search.space.preview import preview, trials_wanted

if TYPE_CHECKING:
    from search.ledger.trial import Trial
    from search.results import RunResults
    from search.space import Axis

ARROWS = {"maximize": "↑", "minimize": "↓"}
BAR = 30  # characters of the longest bar
TOP = 8  # parameters that a table of importance shows


def front_table(standing: RunResults) -> Table:
    """The front, then the base, the models and the uniform soup."""
    table = Table(title="Pareto front", title_justify="left", caption_justify="left")
    table.caption = "\n".join(
        [
            "mean: 0 is the worst and 1 the best of base and models, over the objectives",
            *constant_warnings(standing.constant, len(standing.scored)),
        ]
    )
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
        if reference := standing.baselines.get(label):
            table.add_row(*_row(standing, reference, label), style="dim")
    return table


def history_table(standing: RunResults) -> Table:
    """The hypervolume as it grew: one row for each time the front moved on by a tenth."""
    table = Table(title="Hypervolume", title_justify="left", caption_justify="left")
    reference = ", ".join(
        f"{each.name} {each.sign * loss:.4f}"
        for each, loss in zip(standing.objectives, standing.reference_point, strict=True)
    )
    table.caption = (
        "0 is the worst and 1 the best of base and models; measured from just behind the worst: "
        + reference
    )
    for column in ("scored trials", "hypervolume", ""):
        table.add_column(column, justify="left" if not column else "right")
    last = standing.history[-1] if standing.history else 0.0
    for scored, volume in _steps(standing.history):
        bar = "█" * round(BAR * volume / last) if last > 0 else ""
        table.add_row(str(scored), f"{volume:.4f}", bar)
    return table


def importance_table(importance: Mapping[str, Mapping[str, float]]) -> Table:
    """The parameters that mattered most for each objective."""
    table = Table(title="Importance", title_justify="left", caption_justify="left")
    table.caption = "how much a parameter decides whether a trial is among the best tenth"
    for objective in importance:
        table.add_column(objective)
    columns = [
        [escape(f"{name} {share:.0%}") for name, share in list(shares.items())[:TOP]]
        for shares in importance.values()
    ]
    for row in zip_longest(*columns, fillvalue=""):
        table.add_row(*row)
    return table


def preview_table(axes: dict[str, Axis], trials: int) -> Table:
    """What will be searched."""
    table = Table(title="Space", title_justify="left", caption_justify="left")
    wanted = trials_wanted(axes)
    table.caption = (
        f"{len(axes)} parameters ask for about {wanted} trials beside the first ones"
        + (f"; the budget is {trials}" if trials < wanted else "")
    )
    for column in ("parameter", "axes", "values"):
        table.add_column(column)
    for line in preview(axes):
        table.add_row(line.parameter, str(line.count), line.values)
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
        *_driver_lines(status),
        *(f"trouble: {trouble}" for trouble in status["troubles"]),
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
        + (f" ({status['beginning']})" if status["beginning"] else ""),
    ]


def _row(standing: RunResults, trial: Trial, what: str) -> list[str]:
    values = [f"{trial.scores[each.name]:.4f}" for each in standing.objectives]
    return [str(trial.number), *values, f"{standing.mean(trial):.3f}", what]


def _what(trial: Trial) -> str:
    if trial.label:
        return trial.label
    recipe = trial.proposal.recipe
    return f"{recipe.method} of {', '.join(recipe.models)}"


def _steps(history: list[float]) -> Iterator[tuple[int, float]]:
    """Where the hypervolume passed another tenth of its last value, and its end."""
    if not history:
        return
    passed = -1
    for i, volume in enumerate(history):
        tenth = int(10 * volume / history[-1]) if history[-1] > 0 else 0
        if tenth > passed or i == len(history) - 1:
            passed = tenth
            yield i + 1, volume

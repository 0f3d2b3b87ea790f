"""The course, importance and status of a run as tables and lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from evaluators.wording import counted
from search.cli.duration import duration
from search.objectives import EXACT
from search.results import MEANING, SCALE, Effort

if TYPE_CHECKING:
    from search.results import RunResults

ARROWS = {"maximize": "↑", "minimize": "↓"}
BAR_WIDTH = 30  # characters of the longest bar
TOP_PARAMETERS = 8  # in a table of importance


def history_table(results: RunResults) -> Table:
    """The growth of the hypervolume: one row for each tenth of its last value."""
    table = Table(title="Hypervolume", title_justify="left", caption_justify="left")
    reference = ", ".join(
        f"{each.name} {each.sign * loss:.4f}"
        for each, loss in zip(results.objectives, results.reference_point, strict=True)
    )
    table.caption = (
        "hypervolume: the part of the objectives' space that the front dominates. Each objective "
        f"is on a scale: {SCALE}; the reference point, just behind the worst, is {reference}"
        + ("; the volumes are estimates" if len(results.objectives) > EXACT else "")
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
    table.caption = escape(MEANING)
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
        f"front: {counted(status['front'], 'trial')}",
        f"best {best}  ({SCALE})" if best else "nothing is scored yet",
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

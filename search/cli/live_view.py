"""The live view of a run: everything about its progress that fits the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from evaluators.wording import counted
from search.cli.duration import duration
from search.cli.front_table import do_fit, references, trials_table, turned_table
from search.cli.sparkline import sparkline
from search.ledger import BASE, UNIFORM
from search.results import SCALE

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table

    from search.runs import RunProgress

WIDE = 80  # characters of a terminal with room for explanations
LABELS = 9  # characters before the parts of a line
GAP = 2  # characters between two columns of the front
MEMBERS = 8  # of the front that are shown; `mergefront front` shows all
WORKER_LINES = 2
TROUBLE_LINES = 3  # of each trouble
BAR = 40  # characters of the budget's bar at most


@dataclass(frozen=True)
class LiveView:
    """A run's progress, laid out for the terminal that it is printed on.

    Args:
        progress: of the run.
        run: its folder or URI, for the command that shows the rest.
        with_front: whether the table of the front belongs to it.
    """

    progress: RunProgress
    run: str
    with_front: bool = True

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Lines that are never longer than the terminal is wide, nor more than it is high."""
        width = options.max_width
        lines = list(self._lines(width))
        for line in lines:
            yield Text(line, no_wrap=True, overflow="ellipsis")
        room = options.size.height - len(lines) - 1  # the last line is the cursor's
        if self.with_front and self.progress.results.scored:
            yield from self._front(width, room)

    def _lines(self, width: int) -> Iterator[str]:
        progress = self.progress
        yield from flow("", _head(progress), width, " · ")
        yield _bar(progress, width)
        counts = [f"{count} {state}" for state, count in progress.counts.items() if count]
        yield from flow("trials", [*counts, f"{len(progress.running)} running"], width)
        scored = progress.effort.parts(progress.budget.scorings)
        yield from flow("scored", scored, width)
        if picks := picked(progress):
            yield from flow("best", [*picks, f"({SCALE})"], width)
            last = f" {progress.results.history[-1]:.4f}"
            last += " (hypervolume: more is better)" if width >= WIDE else ""
            line = sparkline(progress.results.history, width - LABELS - len(last) - 3)
            yield from flow("volume", [f"{line}{last}"], width)
        yield from list(flow("workers", _workers(progress), width))[:WORKER_LINES]
        for trouble in progress.troubles:
            yield from list(flow("warning", trouble.split(), width, " "))[:TROUBLE_LINES]

    def _front(self, width: int, room: int) -> Iterator[RenderableType]:
        """The table of the front, and what of it is not shown."""
        results, objectives = self.progress.results, self.progress.results.objectives
        compared = [each for each in references(results) if each.label in (BASE, UNIFORM)]
        rows = room - 3 - len(compared)  # heading, empty line, hint
        members = results.front[: max(1, min(MEMBERS, rows))]
        if (knee := results.pick("knee")) not in members:
            members[-1] = knee
        compared = [each for each in compared if each not in members]
        if do_fit(objectives, [*members, *compared], width):
            if rows < 1:
                return
            table = trials_table(results, objectives, members, compared=compared, is_small=True)
            hidden = [(len(results.front) - len(members), "trial")]
        else:
            rows = room - 5  # two of heading, mean, empty line, hint
            if rows < 1:
                return
            shown = objectives[:rows]
            table, left_out = turned_table(results, shown, width, frame=GAP)
            hidden = [(len(objectives) - len(shown), "objective"), (left_out, "trial")]
        yield Text()
        yield _plain(table)
        if more := " and ".join(counted(count, what) for count, what in hidden if count):
            hint = f"{more} more: mergefront front {self.run}"
            yield Text(hint, no_wrap=True, overflow="ellipsis", style="dim")


def plain_line(progress: RunProgress) -> str:
    """The progress as one line, where there is no terminal."""
    parts = [
        *_head(progress)[1:],
        f"{len(progress.running)} running",
        f"front {len(progress.results.front)}",
        ", ".join(["best " + each for each in picked(progress)]),
        str(progress.effort),
        *([phase(progress), *progress.troubles] if not progress.trials else []),
    ]
    return " · ".join(part for part in parts if part)


def phase(progress: RunProgress) -> str:
    """What a search waits for before its first trial; empty afterwards."""
    if progress.trials or progress.state != "running":
        return ""
    preparing = progress.report.get("preparing", "")
    if progress.workers["busy"]:
        return "scoring the first models"
    return "starting workers" + (f": {preparing}" if preparing else "")


def picked(progress: RunProgress) -> list[str]:
    """The best trials by mean and by knee."""
    results = progress.results
    if not results.front or len(results.trials) < 2:
        return []  # a mean compares: a single trial has none
    picks = [(how, results.pick(how)) for how in ("mean", "knee")]
    return [f"by {how} {results.mean(each):.3f} (trial {each.number})" for how, each in picks]


def flow(label: str, parts: Iterable[str], width: int, between: str = "  ") -> Iterator[str]:
    """Lines of whole parts, after a label; only a part that is longer than a line is cut.

    >>> list(flow("best", ["by mean 0.7", "by knee 0.6"], 24))
    ['best     by mean 0.7', '         by knee 0.6']
    """
    indent = LABELS if label else 0
    line, start = "", f"{label:<{indent}}"
    for part in filter(None, parts):
        cut = part if len(part) <= width - indent else part[: width - indent - 1] + "…"
        if line and indent + len(line) + len(between) + len(cut) > width:
            yield start + line
            line, start = "", " " * indent
        line += (between if line else "") + cut
    if line:
        yield start + line


def _head(progress: RunProgress) -> list[str]:
    pace, left = progress.trials_per_second, progress.seconds_left
    return [
        f"{progress.name}: {progress.state}",
        f"{len(progress.trials)}/{counted(progress.budget.trials, 'trial')}",
        f"{60 * pace:.1f} trials/min" if pace and progress.state == "running" else "",
        f"ETA {duration(left)}" if left else "",
    ]


def _bar(progress: RunProgress, width: int) -> str:
    """How much of the budget is spent; of several limits, the one that is nearest."""
    share = min(1.0, progress.spent)
    length = min(BAR, width - 6)
    full = int(share * length)
    return f"{'━' * full}{'─' * (length - full)} {share:4.0%}"


def _workers(progress: RunProgress) -> list[str]:
    """What the workers do: the counts, what is being prepared, and each worker."""
    counts = progress.workers
    preparing = progress.report.get("preparing", "")
    note = preparing if counts["starting"] else phase(progress)
    states: Sequence[Mapping[str, Any]] = progress.report.get("states", ())
    hosts = {each["name"].partition(":")[0] for each in states if each["name"]}
    idle = counts["workers"] - counts["busy"] - counts["starting"]
    kinds = [(counts["busy"], "busy"), (counts["starting"], "starting"), (idle, "idle")]
    return [
        ", ".join(f"{count} {kind}" for count, kind in kinds if count),
        note,
        *(_worker(each, with_host=len(hosts) > 1) for each in states),
    ]


def _worker(state: Mapping[str, Any], *, with_host: bool) -> str:
    """One worker: its process, and its trial and how long it has worked on it."""
    name = state["name"] if with_host else state["name"].rpartition(":")[2]
    what = state["stage"] if state["trial"] is None else f"trial {state['trial']}"
    return f"[{name or 'new'}: {what}, {duration(state['seconds'])}]"


def _plain(table: Table) -> Table:
    """The table without a frame."""
    table.box, table.padding, table.pad_edge = None, (0, GAP, 0, 0), False
    table.collapse_padding = False
    return table

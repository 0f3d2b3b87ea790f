"""The front as tables that fit the terminal, with one objective or with twenty.

Side by side if the objectives fit; otherwise one table of the trials, and a turned one in which
each objective has a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from evaluators.wording import counted
from search.cli.tables import ARROWS
from search.ledger import BASE, UNIFORM
from search.results import constant_warnings, mean_text

if TYPE_CHECKING:
    from search.ledger import Trial
    from search.objectives import Objective
    from search.results import RunResults

RECIPE_WIDTH = 20  # characters that a recipe needs at least to be readable
FRAME = 3  # characters of border and padding for each column
LONGEST_NAME = 24  # characters of an objective or a label in the turned table
AVERAGES = "numbers from 1000000 on: averages of neighbours on the front, made for a verdict"
KNEE = "knee: the trial nearest to the best value of every objective at once"


def front_tables(
    results: RunResults, width: int, objectives: Sequence[Objective] | None = None
) -> list[Table]:
    """The front, then the base, the models and the uniform soup.

    Args:
        results: of a run.
        width: of the terminal, in characters.
        objectives: to show; all by default. The mean is always over all.
    """
    shown = results.objectives if objectives is None else objectives
    trials = [*results.front, *references(results)]
    notes = [mean_text(results.objectives), *([KNEE] if results.front else [])]
    if any(each.proposal.is_average for each in results.front):
        notes.append(AVERAGES)
    notes += constant_warnings(results.constant, len(results.scored))
    if do_fit(shown, trials, width):
        return [_framed(trials_table(results, shown, results.front), notes)]
    turned, left_out = turned_table(results, shown, width, frame=FRAME)
    hint = f"{width} columns are too few for {counted(len(shown), 'objective')}: each has a row"
    if left_out:
        hint += f"; not shown: {counted(left_out, 'trial')}; --objectives A,B shows these for all"
    return [
        _framed(trials_table(results, (), results.front), notes),
        _framed(turned, [hint], "Scores"),
    ]


def references(results: RunResults) -> list[Trial]:
    """The scored ones of what the front is compared with: base, models and uniform soup."""
    return list(results.compared.values())


def do_fit(objectives: Sequence[Objective], trials: Sequence[Trial], width: int) -> bool:
    """Whether all objectives fit side by side, with number, mean and recipe of each trial."""
    columns = [
        max(len(heading(each)), *(len(score(trial, each)) for trial in trials), 0)
        for each in objectives
    ]
    rest = [len("trial"), len("-0.000"), RECIPE_WIDTH]
    return sum(columns) + sum(rest) + FRAME * (len(columns) + len(rest)) + 1 <= width


def trials_table(
    results: RunResults,
    objectives: Sequence[Objective],
    members: Iterable[Trial],
    *,
    compared: Sequence[Trial] | None = None,
    is_small: bool = False,
) -> Table:
    """A row for each trial.

    Args:
        results: of a run.
        objectives: the columns between number and mean.
        members: of the front.
        compared: the rows below them; by default base, models and uniform soup.
        is_small: one line for each trial.
    """
    table = Table()
    table.add_column("trial", justify="right", no_wrap=True)
    for each in objectives:
        table.add_column(escape(heading(each)), justify="right", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("recipe", overflow="fold")  # the only one that may become narrower
    marks = _marks(results)
    for trial in members:
        mark = f"  ← {marks[trial.number]}" if trial.number in marks else ""
        table.add_row(*_row(results, objectives, trial, _description(trial, mark, is_small)))
    table.add_section()
    for trial in references(results) if compared is None else compared:
        table.add_row(*_row(results, objectives, trial, Text(trial.label or "")), style="dim")
    return table


def turned_table(
    results: RunResults,
    objectives: Sequence[Objective],
    width: int,
    *,
    frame: int,
) -> tuple[Table, int]:
    """A row for each objective and one for the mean, and columns for as many trials as fit.

    The picks come first, then base, uniform soup and models, then the rest of the front.

    Args:
        results: of a run.
        objectives: the rows.
        width: of the terminal, in characters.
        frame: characters of border and padding for each column.

    Returns:
        The table, and how many trials did not fit.
    """
    marks = _marks(results)
    picks = sorted((t for t in results.front if t.number in marks), key=lambda t: marks[t.number])
    others = [each for each in references(results) if each not in picks]
    rest = [each for each in results.front if each not in picks and each not in others]
    trials = [*picks, *sorted(others, key=_order), *rest]
    names = max((len(heading(each)) for each in objectives), default=0)
    names = min(max(names, len("mean")), LONGEST_NAME, width // 2)
    table = Table()
    table.add_column("", no_wrap=True)
    left, shown = width - names - frame - 1, 0
    for trial in trials:
        title = marks.get(trial.number) or trial.label or ""
        cells = max(len(score(trial, each)) for each in objectives) if objectives else 0
        column = max(cells, min(len(title), cells + 2), len(str(trial.number)), len("-0.000"))
        if (left := left - column - frame) < 0:
            break
        head = f"{trial.number}\n{escape(shortened(title, column))}"
        table.add_column(head, justify="right", no_wrap=True, width=column)
        shown += 1
    for each in objectives:
        name = shortened(each.name, names - 2)
        table.add_row(
            escape(f"{name} {ARROWS[each.direction]}"),
            *(score(trial, each) for trial in trials[:shown]),
        )
    table.add_section()
    table.add_row("mean", *(f"{results.mean(trial):.3f}" for trial in trials[:shown]), style="bold")
    return table, len(trials) - shown


def heading(objective: Objective) -> str:
    """The name of an objective, and which way is better."""
    return f"{shortened(objective.name, LONGEST_NAME)} {ARROWS[objective.direction]}"


def score(trial: Trial, objective: Objective) -> str:
    """A trial's score on one objective, as a table shows it."""
    return f"{trial.scores[objective.name]:.4f}"


def shortened(name: str, width: int) -> str:
    """A name without its middle, if it is too long: its end often tells it from others.

    >>> shortened("mmlu_pro_biology", 11), shortened("law", 11)
    ('mmlu_…ology', 'law')
    """
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}…{name[len(name) - end :]}"


def _framed(table: Table, notes: Sequence[str], title: str = "Pareto front") -> Table:
    table.title, table.title_justify = title, "left"
    table.caption, table.caption_justify = escape("\n".join(notes)), "left"
    return table


def _marks(results: RunResults) -> dict[int, str]:
    """How the picks of the front were picked, by number."""
    if not results.front:
        return {}
    found: dict[int, str] = {results.pick("mean").number: "mean"}
    found[results.pick("knee").number] = "knee"
    return found


def _order(trial: Trial) -> int:
    """Base first, then the uniform soup, then the models."""
    return {BASE: 0, UNIFORM: 1}.get(trial.label or "", 2)


def _row(
    results: RunResults, objectives: Sequence[Objective], trial: Trial, description: Text
) -> list[str | Text]:
    values = [score(trial, each) for each in objectives]
    return [str(trial.number), *values, f"{results.mean(trial):.3f}", description]


def _description(trial: Trial, mark: str, is_small: bool) -> Text:
    recipe = trial.proposal.recipe
    text = trial.label or f"{recipe.method} of {', '.join(recipe.models)}"
    if is_small:
        return Text(f"{mark.strip()}  {text}".strip(), no_wrap=True, overflow="ellipsis")
    return Text(f"{text}{mark}")

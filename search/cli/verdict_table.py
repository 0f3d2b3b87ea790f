"""A verdict as a table and sentences for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from search.cli.tables import ARROWS

if TYPE_CHECKING:
    from search.results import Comparison
    from search.runs import RunVerdict

NOTE = (
    "± and [ ]: 95 % intervals. Of each other: its score, and how much better the pick is. "
    "p: of paired tests, Holm-corrected over all of them"
)


def verdict_table(verdict: RunVerdict) -> Table:
    """The scores of the pick on report documents, then those of what it came from."""
    table = Table(title="Verdict on report documents", title_justify="left", caption=NOTE)
    table.caption_justify = "left"
    table.add_column("")
    for each in verdict.objectives:
        table.add_column(f"{each.objective.name} {ARROWS[each.objective.direction]}")
    table.add_row(
        f"trial {verdict.trial.number}", *(escape(each.report_text) for each in verdict.objectives)
    )
    table.add_row("  in the search", *(f"{each.search:.4f}" for each in verdict.objectives))
    table.add_section()
    labels = verdict.objectives[0].comparisons if verdict.objectives else ()
    for label in labels:
        table.add_row(
            escape(label), *(_other(each.comparisons[label]) for each in verdict.objectives)
        )
    return table


def verdict_lines(verdict: RunVerdict) -> list[str]:
    """Which trial it is, a sentence for each objective, how answers ended, and what is odd."""
    on = "selection" if verdict.selection else "search"
    how = f", picked by {verdict.pick} on the {on} documents" if verdict.pick else ""
    label = f" ({verdict.trial.label})" if verdict.trial.label else ""
    return [
        f"trial {verdict.trial.number}{label}{how}:",
        *(f"  {each.sentence}" for each in verdict.objectives),
        *(f"  {each.sentence}" for each in verdict.answers),
        *(f"warning: {warning}" for warning in verdict.warnings),
    ]


def _other(comparison: Comparison) -> str:
    return f"{comparison.score:.4f}  {comparison.improvement_text}  p={comparison.p_holm:.2g}"

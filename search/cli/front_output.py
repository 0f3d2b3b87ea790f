"""Prints a front, with what a verdict has said of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.cli.output import console, note, say

if TYPE_CHECKING:
    from search.ledger import Ledger
    from search.objectives import Objective
    from search.results import RunResults
    from search.runs import RunVerdict


def print_result(ledger: Ledger, as_json: bool = False) -> None:
    """Prints the front of a run as `mergefront front` does."""
    from search.runs import front_json, readable_verdicts, results_of

    results, verdicts = results_of(ledger), readable_verdicts(ledger, note)
    if as_json:
        print(json.dumps(front_json(ledger, results, verdicts), indent=2))
    else:
        print_front(results, verdicts)


def print_front(
    results: RunResults,
    verdicts: Sequence[RunVerdict] = (),
    objectives: Sequence[Objective] | None = None,
) -> None:
    """Prints a front as a table that fits the terminal, and each verdict's sentence."""
    from search.cli.front_table import front_tables

    terminal = console()
    for table in front_tables(results, terminal.width, objectives):
        terminal.print(table)
    for each in verdicts:
        say(each.sentence)

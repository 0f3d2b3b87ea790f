"""The tables of a report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import TYPE_CHECKING

from search.report.section import Table
from search.results import recipe_lines

if TYPE_CHECKING:
    from search.ledger import Trial
    from search.results import RunResults
    from search.runs import RunVerdict

MOST_CAUSES = 20


def front_table(results: RunResults, pick: Trial) -> Table:
    """The front, best mean first, then the base, the models and the uniform soup."""
    others = [each for each in results.compared.values() if each not in results.front]
    trials = [*results.front, *others]
    return Table(
        head=["trial", *(each.name for each in results.objectives), "mean", "recipe"],
        rows=[
            [
                str(trial.number),
                *(f"{trial.scores[each.name]:.4f}" for each in results.objectives),
                f"{results.mean(trial):.3f}",
                trial.label or recipe_lines(trial.proposal.recipe)[0],
            ]
            for trial in trials
        ],
        text_columns=[len(results.objectives) + 2],
        marked=trials.index(pick) if pick in trials else None,
    )


def verdict_table(verdict: RunVerdict) -> Table:
    """The pick's scores on report documents and those of what it came from."""
    rows = []
    for each in verdict.objectives:
        others = [
            f"{other.score:.4f} ({other.result}, p={other.p_holm:.2g})"
            for other in each.comparisons.values()
        ]
        gap = f"{each.report - each.search:+.4f}"
        rows.append([each.objective.name, each.report_text, gap, *others])
    labels = verdict.objectives[0].comparisons if verdict.objectives else ()
    pick = f"trial {verdict.trial.number}"
    return Table(["objective", pick, "report − search", *labels], rows)


def timing_table(trials: Sequence[Trial]) -> Table:
    """The seconds of each phase of a trial: median and sum, and its share of the whole."""
    phases = dict.fromkeys(phase for trial in trials for phase in trial.seconds)
    seconds = {p: [t.seconds[p] for t in trials if p in t.seconds] for p in phases}
    total = sum(map(sum, seconds.values())) or 1.0
    return Table(
        ["phase", "median s", "sum s", "share"],
        [
            [phase, f"{median(some):.2f}", f"{sum(some):.0f}", f"{sum(some) / total:.0%}"]
            for phase, some in seconds.items()
        ],
    )


def failure_table(trials: Iterable[Trial]) -> Table | None:
    """The causes of broken and failed trials, most frequent first; None if there are none.

    Causes that differ in their numbers only are one, with the first of them as its example.
    """
    lost = [trial for trial in trials if trial.state in ("broken", "failed")]
    counts = Counter(map(_kind, lost))
    first = {_kind(trial): trial for trial in reversed(lost)}
    rows = [
        [trial.state, str(count), str(trial.number), trial.reason]
        for trial, count in (
            (first[kind], count) for kind, count in counts.most_common(MOST_CAUSES)
        )
    ]
    return Table(["state", "trials", "first", "cause"], rows, text_columns=[3]) if rows else None


def _kind(trial: Trial) -> tuple[str, str]:
    return trial.state, re.sub(r"\d[\d.e+-]*", "…", trial.reason)

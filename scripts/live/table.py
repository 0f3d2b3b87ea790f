"""Prints what a set of records says: a table per family, then samplers against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

import numpy as np

from scripts.live.best import Best
from scripts.live.record import Record

MARKS = (25, 50, 100, 200)  # trials at which a curve is read
COMPARED = (50, 100, 200)
STAGES = ((0, 50), (50, 100), (100, 200))
NONE = "–"
CEILING = "best known"

Rows = Mapping[str, Sequence[Record]]
"""Sampler -> its records of one family, one for each seed."""


def by_sampler(
    records: Iterable[Record], family: str, samplers: Sequence[str]
) -> dict[str, list[Record]]:
    """The records of one family, of those samplers that have any, in this order."""
    its = sorted((each for each in records if each.family == family), key=lambda each: each.seed)
    found = {name: [each for each in its if each.sampler == name] for name in samplers}
    return {name: records for name, records in found.items() if records}


def family_table(family: str, rows: Rows, best: Best) -> str:
    """Hypervolume, best mean and regret (medians over the seeds), broken trials, asks, methods."""
    marks = [mark for mark in MARKS if mark <= _count(rows)]
    names = [f"hv {mark}" for mark in marks] + [f"mean {mark}" for mark in marks]
    head = ["sampler", "seeds", *names, "hv regret", "mean regret", "broken", "s/ask"]
    lines = [head, *([name, *_cells(its, marks, best)] for name, its in rows.items())]
    known = f"best known: hypervolume {best.hypervolume:.4f}, mean {best.mean:.4f}"
    return "\n".join([f"== {family} ({known})", _aligned(lines), *_reasons(rows)])


def method_table(rows: Rows) -> str:
    """The share of each method among the trials of a sampler, stage by stage."""
    stages = [stage for stage in STAGES if stage[0] < _count(rows)]
    head = ["methods", *(f"trials {first}-{last}" for first, last in stages)]
    done = {name: _done(its) for name, its in rows.items()}
    lines = [[n, *(_shares(its, *stage) for stage in stages)] for n, its in done.items() if its]
    return _aligned([head, *lines])


def comparison(families: Mapping[str, Rows], bests: Mapping[str, Best]) -> str:
    """Each sampler's median hypervolume over that of the best other one, and geometric means.

    The last column is what a perfect sampler could have, as far as known: the hypervolume of all
    recipes ever scored, over that of the best sampler but the first.

    Args:
        families: the records to compare.
        bests: the best known of each family.
    """
    samplers = list(dict.fromkeys(name for rows in families.values() for name in rows))
    count = max((_count(rows) for rows in families.values()), default=0)
    marks = [mark for mark in COMPARED if mark <= count]
    found = {
        (family, mark): _compared(rows, bests[family], mark)
        for family, rows in families.items()
        for mark in marks
    }
    samplers.append(CEILING)
    lines = [["hypervolume / best other's", "trials", *samplers]]
    for (family, mark), values in found.items():
        lines.append([family, str(mark), *(_number(values.get(each), 3) for each in samplers)])
    for mark in marks:
        columns = [[found[family, mark].get(name) for family in families] for name in samplers]
        lines.append(["geometric mean", str(mark), *(_number(_geometric(c), 3) for c in columns)])
    return _aligned(lines)


def _compared(rows: Rows, best: Best, mark: int) -> dict[str, float]:
    medians = _medians(rows, mark)
    others = list(medians.values())[1:]
    ceiling = {CEILING: best.hypervolume / max(others)} if others else {}
    return ratios(medians) | ceiling


def ratios(values: Mapping[str, float]) -> dict[str, float]:
    """Each value over the greatest of the others; none where there are no others, or only 0.

    >>> ratios({"a": 2.0, "b": 1.0})
    {'a': 2.0, 'b': 0.5}
    """
    found = {}
    for name, value in values.items():
        other = max((its for each, its in values.items() if each != name), default=0.0)
        if other > 0:
            found[name] = value / other
    return found


def _geometric(values: Iterable[float | None]) -> float | None:
    """The geometric mean, if a sampler has a value in every family."""
    given = list(values)
    if not given or any(not value for value in given):
        return None
    return float(np.exp(np.mean(np.log(np.array(given, dtype=float)))))


def _medians(rows: Rows, mark: int) -> dict[str, float]:
    done = {name: _done(its) for name, its in rows.items()}
    return {
        name: median(each.hypervolume[mark - 1] for each in its)
        for name, its in done.items()
        if its and its[0].count >= mark
    }


def _cells(records: Sequence[Record], marks: Sequence[int], best: Best) -> list[str]:
    done = _done(records)
    if not done:
        return [NONE] * (len(marks) * 2 + 5)

    def middle(value: Callable[[Record], float | None], digits: int) -> str:
        known = [found for each in done if (found := value(each)) is not None]
        return _number(median(known) if known else None, digits)

    volumes = [middle(lambda each, m=mark: each.hypervolume[m - 1], 4) for mark in marks]
    means = [middle(lambda each, m=mark: each.mean[m - 1], 3) for mark in marks]
    return [
        str(len(done)),
        *volumes,
        *means,
        middle(lambda each: 1 - each.hypervolume[-1] / best.hypervolume, 3),
        middle(lambda each: best.mean - each.mean[-1] if each.mean[-1] is not None else None, 3),
        f"{np.mean([state == 'broken' for each in done for state in each.states]):.0%}",
        f"{np.mean([seconds for each in done for seconds in each.ask_seconds] or [0.0]):.3f}",
    ]


def _shares(records: Sequence[Record], first: int, last: int) -> str:
    """Methods by how often they were asked for; baselines left out."""
    asked = [name for each in records for name in each.methods[first:last] if name is not None]
    counts = Counter(asked).most_common()
    return " ".join(f"{name} {count / len(asked):.0%}" for name, count in counts) or NONE


def _reasons(rows: Rows) -> list[str]:
    """Why searches were left out, each reason once."""
    told = [f"{NONE} {name}: {each.left_out}" for name, its in rows.items() for each in its]
    return [line for line in dict.fromkeys(told) if not line.endswith(": None")]


def _done(records: Iterable[Record]) -> list[Record]:
    return [each for each in records if each.left_out is None]


def _count(rows: Rows) -> int:
    return max((each.count for its in rows.values() for each in its), default=0)


def _number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[cell.ljust(w) for cell, w in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in padded)

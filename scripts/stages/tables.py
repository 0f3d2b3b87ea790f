"""The tables of `scripts/bench stages`: what is measured for each, and its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from scripts.stages.end_to_end import Pair, off, pair
from scripts.stages.gaps import Gap, gaps
from scripts.stages.page import markdown
from scripts.stages.replay import RecordedSearch, Replay, replay
from scripts.stages.simulation import (
    KINDS,
    coverage,
    documents_used,
    false_stops,
    false_stops_by_few_documents,
)
from scripts.stages.splits import Splitter

TRIALS = 50  # of each search
CONFIDENCES = (0.8, 0.9, 0.95, 0.99)
TWO = ("letters", "sort")
OTHERS = (("letters", "reverse"), ("reverse", "sort"), ("reverse",))
TOLERANCES = (0.005, 0.01, 0.02)
SPLITS = 30  # of each search
RUNS = 1000  # of each simulation: a rate of 0.05 has a standard error of 0.007
PICKS = ("knee", "mean", "best:letters", "best:reverse", "best:sort")

Seeds = Sequence[int]


# -- replays of recorded searches


def replays(cache: Path, seeds: Seeds, orders: int) -> str:
    """Searches without stages, replayed with them: what it takes, and what it costs."""
    all_three = [_recorded(cache, seed) for seed in seeds]
    two = [each.only(*TWO) for each in all_three]
    rows = [_replay_row(each, c, orders) for each in (all_three, two) for c in CONFIDENCES]
    for names in OTHERS:
        rows.append(_replay_row([each.only(*names) for each in all_three], 0.95, orders))
    head = ["objectives", "confidence", "documents", "least possible", "on the front", "stopped"]
    return markdown([*head, "wrong stops", "front lost"], rows)


def tolerances(cache: Path, seeds: Seeds, orders: int) -> str:
    """What a tolerance saves, and what it loses."""
    found = [_recorded(cache, seed) for seed in seeds]
    rows = []
    for names in ((), TWO):
        searches = [each.only(*names) if names else each for each in found]
        for size in (0.0, *TOLERANCES):
            tolerance = {each.name: size for each in searches[0].objectives}
            its = list(_replayed(searches, 0.95, orders, tolerance=tolerance))
            lost = [1 - each.volume for each in its]
            rows.append(
                [
                    _names(searches[0]),
                    f"{size:g}",
                    _share([each.share for each in its]),
                    _number([len(each.lost) for each in its]),
                    _share(lost, 2),
                    _share([max(lost)], 2),
                ]
            )
    head = ["objectives", "tolerance", "documents", "members of the front lost"]
    return markdown([*head, "hypervolume lost", "at most"], rows)


def _recorded(cache: Path, seed: int) -> RecordedSearch:
    run = off(cache, seed, TRIALS)
    return RecordedSearch.of(run.plan, run.ledger)


def _replayed(
    searches: Iterable[RecordedSearch], confidence: float, orders: int, **rules: object
) -> Iterator[Replay]:
    """Every search in several orders of its documents; every second one shuffles its trials."""
    for search in searches:
        for seed in range(orders):
            yield replay(search, confidence, seed, shuffled=seed % 2 == 1, **rules)


def _replay_row(searches: Sequence[RecordedSearch], confidence: float, orders: int) -> list[str]:
    its = list(_replayed(searches, confidence, orders))
    searched = [each.search for each in its]
    wrong = sum(len(each.lost | each.undominated) for each in its)
    lost = sum(bool(each.lost) for each in its)
    return [
        _names(searches[0]),
        f"{confidence:g}",
        _share([each.share for each in its]),
        _share([each.least / each.total for each in its]),
        _share([len(each.front & each.candidates) / len(each.candidates) for each in searched]),
        _share([len(each.stops) / len(each.search.candidates) for each in its]),
        f"{wrong} of {sum(len(each.stops) for each in its)}",
        f"{lost} of {len(its)}",
    ]


def _names(search: RecordedSearch) -> str:
    return ", ".join(each.name for each in search.objectives)


# -- simulation


def laws() -> str:
    """How often what must not happen happens, with made-up scores."""
    kinds = [[each, each] for each in KINDS] + [list(KINDS)]
    rows = [
        [
            " and ".join(dict.fromkeys(pair)),
            *(f"{false_stops(pair, c, RUNS, 1):.1%}" for c in CONFIDENCES),
        ]
        for pair in kinds
    ]
    few = [f"{false_stops_by_few_documents(c, RUNS, 2):.1%}" for c in CONFIDENCES]
    rows.append(["bits per byte, all gains on 5 % of the documents", *few])
    head = ["objectives", *(f"{c:g}: at most {1 - c:.0%}" for c in CONFIDENCES)]
    return markdown(head, rows)


def distances() -> str:
    """How many documents a candidate takes that is so far behind."""
    rows = []
    for kind in KINDS:
        for behind in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8):
            used, loss = documents_used(kind, behind, RUNS // 10, 3)
            rows.append([kind, f"{abs(loss):.3f}", f"{used:.0%}"])
    return markdown(["two objectives of", "behind by", "documents"], rows)


def intervals() -> str:
    """How often the 95 % intervals of estimates have the score of all documents."""
    rows = []
    for kind in KINDS:
        for each in coverage(kind, RUNS, 4):
            what = f"{each.documents} documents" if each.documents else "at the stop"
            rows.append([kind, what, f"{each.share:.1%}", str(each.cases)])
    return markdown(["objective", "estimated from", "inside", "of"], rows)


# -- whole searches


def searches(cache: Path, seeds: Seeds) -> str:
    """Searches with stages beside those without."""
    rows = []
    for names in ((), TWO):
        pairs = [pair(cache, seed, TRIALS, names) for seed in seeds]
        rows += [_pair_row(names, str(each.seed), [each]) for each in pairs]
        rows.append(_pair_row(names, "**mean**", pairs))
    head = ["objectives", "seed", "documents", "CPU time", "hypervolume, same trials"]
    return markdown([*head, "trials, same documents", "hypervolume, same documents"], rows)


def _pair_row(names: Sequence[str], seed: str, pairs: Sequence[Pair]) -> list[str]:
    return [
        ", ".join(names or ("letters", "reverse", "sort")),
        seed,
        _share([each.documents for each in pairs]),
        _share([each.seconds for each in pairs]),
        _share([each.same_trials for each in pairs], 1),
        _share([each.more_trials for each in pairs]),
        _share([each.same_documents for each in pairs], 1),
    ]


# -- search score and report score


def picks(cache: Path, seeds: Seeds) -> str:
    """The gaps of searches on the demo's share of search documents."""
    return _gap_table([gap for seed in seeds for gap in gaps(off(cache, seed, TRIALS))])


def splits(cache: Path, seeds: Seeds) -> str:
    """Recorded searches in many splits, in which the sets differ by nothing but luck."""
    found = [Splitter.of(_recorded(cache, seed)) for seed in seeds]
    rows = []
    for documents in (50, 100, 200):
        its = [
            list(each.gaps(documents, PICKS, SPLITS * i + j))  # no two searches share a split
            for i, each in enumerate(found)
            for j in range(SPLITS)
        ]
        columns = np.array([[astuple(gap) for gap in gaps] for gaps in its])  # split, pick, gap
        mean, error = columns.mean(0), columns.std(0) / np.sqrt(len(its))
        for pick, means, errors in zip(PICKS, mean, error, strict=True):
            cells = (f"{m:+.2f} ± {e:.2f}" for m, e in zip(means, errors, strict=True))
            rows.append([str(documents), f"`{pick}`", *cells])
    head = ["search documents", "pick", "naive: search − report", "verdict: search − report"]
    return markdown([*head, "verdict: shrunk − report", "verdict’s report − naive’s"], rows)


def _gap_table(found: Sequence[Gap]) -> str:
    keys = list(dict.fromkeys((each.pick, each.objective) for each in found))
    groups = [[each for each in found if (each.pick, each.objective) == key] for key in keys]
    rows = [
        [f"`{key[0]}`", key[1], *_gap_cells(its)] for key, its in zip(keys, groups, strict=True)
    ]
    columns = np.array([[value / each.error for value in _values(each)] for each in found])
    means = [f"{value:+.2f}" for value in columns.mean(0)]
    rows.append(["**mean, in standard errors**", "", *means, "1", ""])
    head = ["pick", "objective", "naive: search − report", "verdict: search − report"]
    head += ["verdict: shrunk − report", "base and models", "standard error", "same pick"]
    return markdown(head, rows)


def _values(gap: Gap) -> list[float]:
    return [gap.naive, gap.picked, gap.shrunk, gap.inputs]


def _gap_cells(its: Sequence[Gap]) -> list[str]:
    columns = np.array([_values(each) for each in its])
    cells = [f"{value:+.4f}" for value in columns.mean(0)]
    same = sum(each.is_same for each in its)
    return [*cells, f"{np.mean([each.error for each in its]):.4f}", f"{same} of {len(its)}"]


def _share(values: Sequence[float], digits: int = 0) -> str:
    return f"{np.mean(values):.{digits}%}"


def _number(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1f}"

"""Picks from recorded scores in many random splits of the documents, so that only luck is left.

A run has one split, whose sets differ in difficulty by chance, for all searches alike. Over random
splits of the same documents that cancels out, and what remains of search score less report score
is what the choice of the best has added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.ratio import Ratio
from evaluators.scores import metric_values
from scripts.stages.replay import RecordedSearch
from search.ledger import Trial
from search.objectives import Objective
from search.results import DocumentScores, RunResults, document_scores, shrink

SELECTION = 1 / 3  # of the search documents, as in a run's default shares

Positions = Mapping[str, NDArray[np.intp]]
"""Task -> which of its documents are in a set."""


@dataclass(frozen=True)
class SplitGaps:
    """One split: how flattered picks are, in standard errors of the gap of one unpicked model."""

    naive: float
    """Of the best by search scores: search score less report score."""
    picked: float
    """Of the pick by search and selection scores: search score less report score."""
    shrunk: float
    """Of the same pick: the score that it was picked by, less the report score."""
    better: float
    """How much better that pick is on the report documents than the naive one."""


@dataclass(frozen=True)
class Splitter:
    """The values per document of a recorded search."""

    search: RecordedSearch
    values: Mapping[int, Mapping[str, Sequence[Any]]]
    """Trial -> objective -> the values of all documents."""

    @classmethod
    def of(cls, search: RecordedSearch) -> Splitter:
        """Reads them once."""
        values = {
            trial.number: {
                each.name: list(
                    metric_values(search.tables[trial.number], *_address(each)).values()
                )
                for each in search.objectives
            }
            for trial in search.trials
        }
        return cls(search, values)

    def gaps(self, documents: int, picks: Sequence[str], seed: int) -> Iterator[SplitGaps]:
        """The gaps of some picks in one random split.

        Args:
            documents: of each task that are search documents; a third as many are for selection,
                and all others for the report.
            picks: as in `RunResults.pick`.
            seed: of the split.
        """
        first, second, rest = self._split(documents, seed)
        found = self._results(first)
        again = self._reselected(found, first, second)
        errors = self._errors(found.front, first, rest)
        for pick in picks:
            wanted = [o for o in self._objectives if pick in ("knee", "mean", f"best:{o.name}")]
            naive, picked = found.pick(pick), again.pick(pick)
            report, its = (self._scores(each, rest) for each in (naive, picked))
            pairs = [
                (naive.scores, report),
                (found.trial(picked.number).scores, its),
                (picked.scores, its),
                (its, report),
            ]
            yield SplitGaps(*(_gain(wanted, errors, *pair) for pair in pairs))

    def _split(self, documents: int, seed: int) -> Iterator[Positions]:
        rng = np.random.default_rng([seed, documents])
        known = self.values[self.search.trials[0].number]
        orders = {each.name: rng.permutation(len(known[each.name])) for each in self._objectives}
        end = documents + round(SELECTION * documents)
        for part in (slice(documents), slice(documents, end), slice(end, None)):
            yield {name: order[part] for name, order in orders.items()}

    @property
    def _objectives(self) -> Sequence[Objective]:
        return self.search.objectives

    def _results(self, positions: Positions) -> RunResults:
        trials = [replace(t, scores=self._scores(t, positions)) for t in self.search.trials]
        return RunResults(self._objectives, trials)

    def _reselected(self, found: RunResults, first: Positions, second: Positions) -> RunResults:
        """The front and the inputs by their scores on both sets, as the verdict has them."""
        members = found.front
        inputs = [t for t in found.scored if t.proposal.is_input and t not in members]
        rows = {t.number: self._scores(t, second) for t in (*members, *inputs)}
        for each in self._objectives:
            sets = ([self._documents(t, each, where) for t in members] for where in (first, second))
            for trial, value in zip(members, shrink(*sets), strict=True):
                rows[trial.number][each.name] = float(value)
        trials = [replace(found.trial(number), scores=row) for number, row in rows.items()]
        return RunResults(self._objectives, trials)

    def _scores(self, trial: Trial, positions: Positions) -> dict[str, float]:
        return {
            each.name: self._documents(trial, each, positions).score for each in self._objectives
        }

    def _documents(self, trial: Trial, objective: Objective, where: Positions) -> DocumentScores:
        values = self.values[trial.number][objective.name]
        some = [values[i] for i in where[objective.name]]
        task, key = _address(objective)
        metric, _, filter_ = key.partition(",")
        ratio = Ratio.of(metric, some)
        assert ratio is not None, "all metrics of the demo are means or ratios"
        found = document_scores(objective, ratio.value, {task: {(metric, filter_): some}})
        assert found is not None, "the demo's tasks have no aggregation of their own"
        return found

    def _errors(self, trials: Sequence[Trial], *sets: Positions) -> dict[str, float]:
        """By objective, the standard error of a member's difference of its scores on two sets."""
        return {
            each.name: float(
                np.sqrt(np.mean([sum(self._variances(t, each, sets)) for t in trials]))
            )
            for each in self._objectives
        }

    def _variances(
        self, trial: Trial, objective: Objective, sets: Sequence[Positions]
    ) -> Iterator[float]:
        for where in sets:
            (influences,) = self._documents(trial, objective, where).influences.values()
            yield float(np.var(influences) / len(influences))


def _gain(
    objectives: Sequence[Objective],
    errors: Mapping[str, float],
    one: Mapping[str, float],
    other: Mapping[str, float],
) -> float:
    """How much better one score is than another, in standard errors: the mean of objectives."""
    gains = [-o.sign * (one[o.name] - other[o.name]) / errors[o.name] for o in objectives]
    return float(np.mean(gains))


def _address(objective: Objective) -> tuple[str, str]:
    (metric,) = objective.metrics
    return metric.task, metric.key

"""Replays a search that was scored completely as if it had been scored in stages.

The scores per document are recorded, so that a replay with another order of the documents and of
the trials takes no model. What decides is the search's own code: `StageBuilder` and `race`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from evaluators.stages import StageSettings, Stop, race, reference
from search.driver import StageBuilder, StageRules
from search.ledger import UNIFORM, Trial
from search.objectives import Objective, front, losses
from search.results import RunResults

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.stages import StagedTasks, Stages
    from search.config import Plan
    from search.ledger import Ledger


@dataclass(frozen=True)
class RecordedSearch:
    """The trials of a search that have scores of all search documents."""

    objectives: Sequence[Objective]
    models: Sequence[str]
    tasks: StagedTasks
    trials: Sequence[Trial]
    """In the order of finishing."""
    tables: dict[int, pa.Table]
    """Trial -> its scores per document."""

    @classmethod
    def of(cls, plan: Plan, ledger: Ledger) -> RecordedSearch:
        """What a ledger has of it."""
        trials = [trial for trial in ledger.trials() if trial.state == "scored"]
        tables = {trial.number: ledger.documents(trial.number) for trial in trials}
        return cls(plan.objectives, list(plan.models), plan.stages.tasks, trials, tables)

    def only(self, *names: str) -> RecordedSearch:
        """The same trials, scored and compared in some of the objectives."""
        wanted = [each for each in self.objectives if each.name in names]
        tasks = {metric.task for each in wanted for metric in each.metrics}
        tables = {
            number: table.filter([task in tasks for task in table["task"].to_pylist()])
            for number, table in self.tables.items()
        }
        staged = replace(
            self.tasks,
            documents={task: n for task, n in self.tasks.documents.items() if task in tasks},
            generated=self.tasks.generated & tasks,
        )
        return replace(self, objectives=wanted, tables=tables, tasks=staged)

    @cached_property
    def front(self) -> set[int]:
        """The trials that none of the others dominates."""
        rows = np.array([losses(list(self.objectives), each.scores) for each in self.trials])
        return {self.trials[i].number for i in front(rows)}

    @cached_property
    def volume(self) -> float:
        """The hypervolume of the front."""
        return RunResults(self.objectives, self.trials).history[-1]

    @cached_property
    def candidates(self) -> set[int]:
        """The trials that can be stopped: not base, models and uniform soup."""
        return {each.number for each in self.trials if not _is_always_scored(each)}

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the stages, as `auto` makes them."""
        named = {metric.task for each in self.objectives for metric in each.metrics}
        return StageSettings().sizes_for([self.tasks.size(task) for task in named])


@dataclass(frozen=True)
class Replay:
    """What scoring in stages would have done with the trials of a search."""

    search: RecordedSearch
    stops: dict[int, Stop]
    """Trial -> why it was stopped."""
    used: int
    """Documents that candidates were scored on; base, models and uniform soup are not counted."""
    least: int
    """If everything that an earlier trial dominates had been stopped after the first stage."""
    total: int
    """If all candidates had been scored completely."""

    @property
    def share(self) -> float:
        """Of the documents of full scoring."""
        return self.used / self.total

    @property
    def lost(self) -> set[int]:
        """The members of the true front that were stopped."""
        return self.search.front & self.stops.keys()

    @property
    def volume(self) -> float:
        """The hypervolume of the front that is left, over that of the true one."""
        left = [each for each in self.search.trials if each.number not in self.stops]
        return RunResults(self.search.objectives, left).history[-1] / self.search.volume

    @cached_property
    def undominated(self) -> set[int]:
        """The stopped trials that, on all documents, their winner does not dominate."""
        scores = {trial.number: trial.scores for trial in self.search.trials}
        objectives = list(self.search.objectives)
        row = {number: losses(objectives, each) for number, each in scores.items()}
        return {n for n, stop in self.stops.items() if not (row[stop.winner] <= row[n]).all()}


@dataclass
class _Documents:
    """What `StageBuilder` reads of a ledger."""

    tables: dict[int, pa.Table]
    order: dict[str, tuple[int, ...]] | None = None

    def documents(self, number: int) -> pa.Table:
        return self.tables[number]

    def record_order(self, order: Any) -> None:
        self.order = order


@dataclass
class _Race:
    """One replay under way."""

    search: RecordedSearch
    builder: StageBuilder
    known: list[Trial] = field(default_factory=list)
    stops: dict[int, Stop] = field(default_factory=dict)
    used: int = 0
    least: int = 0
    total: int = 0

    def add(self, trial: Trial) -> None:
        """Scores a trial in stages, as the trials before it allow."""
        place = len(self.known)
        stages = self.builder.stages(replace(trial.proposal, seen=place), self.known)
        found = replace(trial, order=place)
        if stages:
            used, stop = _raced(stages, trial, self.search.tables[trial.number])
            self.used += used
            if stop:
                self.stops[trial.number] = stop
                found = replace(found, state="stopped", scores={}, estimates=stop.estimates)
        if not _is_always_scored(trial):
            self._count(trial, stages)
        self.known.append(found)

    def _count(self, trial: Trial, stages: Stages | None) -> None:
        assert stages is not None, "the models come first, so there is a front"
        self.total += stages.documents
        first = sum(stages.count(task, 0) for task in stages.order)
        self.least += first if self._is_dominated(trial) else stages.documents

    def _is_dominated(self, trial: Trial) -> bool:
        objectives = list(self.search.objectives)
        scored = [each for each in self.known if each.state == "scored"]
        rows = np.array([losses(objectives, each.scores) for each in [*scored, trial]])
        return len(scored) not in front(rows)


def replay(
    search: RecordedSearch, confidence: float, seed: int, *, shuffled: bool = False, **rules: Any
) -> Replay:
    """One replay, with another random order of the documents for each seed.

    Args:
        search: that was scored completely.
        confidence: of the stages.
        seed: of the order.
        shuffled: put the candidates into a random order too; base, models and soup stay first.
        rules: other fields of `StageRules`.
    """
    rules = {"sizes": search.sizes, **rules}
    its = _Race(
        search,
        StageBuilder(
            StageRules(confidence=confidence, tasks=search.tasks, seed=seed, **rules),
            search.objectives,
            cast("Ledger", _Documents(search.tables)),
            search.models,
        ),
    )
    for trial in _ordered(search.trials, seed if shuffled else None):
        its.add(trial)
    return Replay(search, its.stops, its.used, its.least, its.total)


def _ordered(trials: Sequence[Trial], seed: int | None) -> Iterator[Trial]:
    inputs = [each for each in trials if _is_always_scored(each)]
    others = [each for each in trials if not _is_always_scored(each)]
    if seed is not None:
        others = [others[i] for i in np.random.default_rng([seed, 1]).permutation(len(others))]
    yield from [*inputs, *others]


def _is_always_scored(trial: Trial) -> bool:
    return trial.proposal.is_input or trial.label == UNIFORM


def _raced(stages: Stages, trial: Trial, table: pa.Table) -> tuple[int, Stop | None]:
    """The documents that a trial is scored on, and why these are not all."""
    values = reference(trial.number, stages.criteria, table, stages.order).values

    def score(counts: Any) -> Any:
        return {address: each[: counts[address[0]]] for address, each in values.items()}

    def aggregate(_address: Any, _values: Any) -> float:
        raise AssertionError("all metrics of the demo are means or ratios")

    stop = race(stages, score, aggregate)
    return (stop.documents if stop else stages.documents), stop

"""Makes the stages in which a candidate is scored, from the trials that were known by then."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluators.stages import (
    Criterion,
    Order,
    Reference,
    StagedTasks,
    Stages,
    constant_criteria,
    document_order,
    fitted,
    reference,
)
from search.driver.stage_criteria import criterion, shares_of_stages
from search.ledger import BASE, UNIFORM
from search.objectives import covering, front, losses

if TYPE_CHECKING:
    from search.ledger import Ledger, Proposal, Trial
    from search.objectives import Losses, Objective

log = logging.getLogger(__name__)

MEMBERS = 8  # of the front that a candidate is compared with: each further one widens all intervals
CONSTANT = (
    "objective %s is the same for all input models on every document, so stages stop hardly any "
    "candidate; leave it out, or accept a loss in it by `stages: {tolerance: {%s: ...}}`"
)


@dataclass(frozen=True)
class StageRules:
    """How the candidates of a run are scored in stages.

    Args:
        sizes: of the stages but the last; without any, candidates are scored in one go.
        confidence: that a candidate which nothing on the front beats is scored completely.
        tolerance: objective -> how much better a candidate must be to be scored on.
        tasks: that candidates are scored on.
        seed: of the run.
    """

    sizes: tuple[int, ...] = ()
    confidence: float = 0.95
    tolerance: Mapping[str, float] = field(default_factory=dict)
    tasks: StagedTasks = field(default_factory=lambda: StagedTasks({}))
    seed: int = 0


class _Fit(NamedTuple):
    """What the input models' scores decide once for a run."""

    criteria: tuple[Criterion, ...]
    order: Order


@dataclass
class StageBuilder:
    """Makes the stages of candidates.

    They follow from the trials that a proposal has seen, so a resumed search makes the same.

    Args:
        rules: of the run.
        objectives: of the run.
        ledger: has the scores per document.
        models: names of the input models.
    """

    rules: StageRules
    objectives: Sequence[Objective]
    ledger: Ledger
    models: Sequence[str]
    _fit: _Fit | None = None
    _has_no_fit: bool = False
    _references: dict[int, Reference] = field(default_factory=dict)
    _unreadable: set[int] = field(default_factory=set)
    _last: tuple[tuple[int, ...], Stages] | None = None

    def stages(self, proposal: Proposal, trials: Sequence[Trial]) -> Stages | None:
        """The stages of a candidate; None if it is scored in one go.

        Base, models and uniform soup always are: everything is compared with them.

        Args:
            proposal: of the candidate.
            trials: that have finished.
        """
        if not self.rules.sizes or proposal.is_input or proposal.label == UNIFORM:
            return None
        seen = [trial for trial in trials if trial.order < proposal.seen]
        inputs = {trial.label: trial for trial in seen if trial.proposal.is_input}
        if not {BASE, *self.models} <= inputs.keys():
            return None
        scored = [trial for trial in inputs.values() if trial.state == "scored"]
        fit = self._fitted(scored)
        return self._stages(fit, seen, scored) if fit else None

    def _fitted(self, inputs: Sequence[Trial]) -> _Fit | None:
        if self._fit is None and not self._has_no_fit:
            try:
                self._fit = self._make_fit(inputs)
            except ValueError as error:
                self._has_no_fit = True
                log.warning("candidates are not scored in stages  %s", error)
        return self._fit

    def _make_fit(self, inputs: Sequence[Trial]) -> _Fit:
        if not inputs:
            raise ValueError("no input model has scores")
        tables = [self.ledger.documents(trial.number) for trial in inputs]
        given = [
            criterion(each, self.rules.tasks, self.rules.tolerance.get(each.name, 0.0))
            for each in self.objectives
        ]
        criteria = fitted(given, tables, [trial.scores for trial in inputs])
        for name in constant_criteria(criteria, tables):
            log.warning(CONSTANT, name, name)
        order = self.ledger.order or document_order(criteria, tables, self.rules.seed)
        self.ledger.record_order(order)
        return _Fit(criteria, order)

    def _stages(self, fit: _Fit, seen: Sequence[Trial], inputs: Sequence[Trial]) -> Stages | None:
        members = self._members(seen)
        key = tuple(trial.number for trial in members)
        if self._last is None or self._last[0] != key:
            others = [trial for trial in inputs if trial not in members]
            stages = Stages(
                order=fit.order,
                sizes=self.rules.sizes,
                criteria=fit.criteria,
                members=tuple(self._known(fit, members)),
                inputs=tuple(self._known(fit, others)),
                confidence=self.rules.confidence,
                late=self.rules.tasks.generated,
                shares=shares_of_stages(self.objectives, self.rules.tasks),
            )
            self._last = key, stages
            self._references = {each.trial: each for each in (*stages.members, *stages.inputs)}
        stages = self._last[1]
        return stages if stages.members else None

    def _members(self, seen: Sequence[Trial]) -> list[Trial]:
        """Those of the front that beat most of the trials so far."""
        scored = [trial for trial in seen if trial.state == "scored"]
        rows = self._losses(scored)
        on_front = front(rows)
        others = self._losses([trial for trial in seen if trial.estimated_scores])
        return [scored[i] for i in on_front[covering(rows[on_front], others, MEMBERS)]]

    def _losses(self, trials: Sequence[Trial]) -> Losses:
        objectives = list(self.objectives)
        return np.array([losses(objectives, trial.estimated_scores) for trial in trials])

    def _known(self, fit: _Fit, trials: Sequence[Trial]) -> Iterator[Reference]:
        """The scores per document of trials, as far as they can be read."""
        for number in (each.number for each in trials if each.number not in self._unreadable):
            if number not in self._references:
                try:
                    documents = self.ledger.documents(number)
                    self._references[number] = reference(number, fit.criteria, documents, fit.order)
                except ValueError as error:  # a damaged file
                    self._unreadable.add(number)
                    log.warning("no candidate is compared with trial %d  %s", number, error)
                    continue
            yield self._references[number]

"""The stages in which candidates are scored, and when the front has beaten one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from statistics import NormalDist
from typing import TYPE_CHECKING

from evaluators.scores import Estimate
from evaluators.stages.comparison import difference

if TYPE_CHECKING:
    from evaluators.stages.comparison import Aggregate
    from evaluators.stages.criterion import Criterion, Reference, Values


@dataclass(frozen=True)
class Stages:
    """The order of the documents, the sizes of the stages, and the front that must not win.

    One object serves all candidates that know the same front.
    """

    order: Mapping[str, tuple[int, ...]]
    """Task -> document ids in the order of scoring."""
    sizes: tuple[int, ...]
    """Documents of each task by the end of each stage but the last, which has all of them."""
    criteria: tuple[Criterion, ...]
    members: tuple[Reference, ...]
    """Of the front."""
    inputs: tuple[Reference, ...] = ()
    """Other fully scored candidates, from which scores are estimated too."""
    confidence: float = 0.95
    late: frozenset[str] = frozenset()
    """Expensive tasks: they wait until a member of the front is ahead in all others."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Task -> its share of a stage, if it is one of a group of tasks."""

    @property
    def last(self) -> int:
        """The number of the last stage, counted from 0."""
        return len(self.sizes)

    @property
    def documents(self) -> int:
        """Of all tasks."""
        return sum(map(len, self.order.values()))

    def count(self, task: str, stage: int) -> int:
        """How many documents of a task are scored by the end of a stage; none before the first."""
        total = len(self.order[task])
        if not 0 <= stage < self.last:
            return total if stage >= 0 else 0
        return min(total, ceil(self.sizes[stage] * self.shares.get(task, 1.0)))

    def winner(
        self, candidate: Values, aggregate: Aggregate, tasks: Collection[str] | None = None
    ) -> Reference | None:
        """A member of the front that is confidently better than a candidate in every criterion.

        Where the candidate is in fact as good as a member in some criterion, the upper limit of
        its gain in this one is too low with a probability of (1 - confidence) / members / looks at
        each look. So all looks at all members stop at most 1 - confidence of the candidates that
        no member beats, however many criteria there are (intersection-union test, Berger 1982).

        Args:
            candidate: its values so far.
            aggregate: computes metrics that are no ratios.
            tasks: look at the criteria of these tasks only; if there are none, any member wins.
        """
        criteria = [each for each in self.criteria if tasks is None or each.tasks <= set(tasks)]
        for member in self.members:
            gains = (
                difference(each, candidate, member.values, aggregate).upper(self._z[each.name])
                - each.tolerance
                for each in criteria
            )
            if not criteria or _are_losses(gains):
                return member
        return None

    def estimates(self, candidate: Values, aggregate: Aggregate) -> dict[str, Estimate]:
        """The value of each criterion over all documents, estimated from those scored so far.

        The difference to a fully scored candidate is added to that one's value; of all references
        the one is taken whose differences vary least (difference estimator, Cochran 1977, 7).
        """
        found = {}
        for each in self.criteria:
            differences = (
                difference(each, candidate, one.values, aggregate)
                for one in (*self.members, *self.inputs)
            )
            best = min(differences, key=lambda one: one.error)
            used = {metric.address[0]: len(candidate[metric.address]) for metric in each.metrics}
            found[each.name] = Estimate(best.value, best.error, sum(used.values()))
        return found

    def looks(self, criterion: Criterion) -> int:
        """How often a criterion can be looked at before all its documents are scored."""
        tiers = (criterion.tasks - self.late, criterion.tasks & self.late)
        return sum(
            any(self.count(task, stage) < len(self.order[task]) for task in tier)
            for tier in tiers
            for stage in range(self.last)
        )

    @cached_property
    def _z(self) -> dict[str, float]:
        """Criterion -> how many standard errors the upper limit of a gain is above it."""
        risk = (1 - self.confidence) / max(1, len(self.members))
        return {
            each.name: NormalDist().inv_cdf(1 - risk / max(1, self.looks(each)))
            for each in self.criteria
        }


def _are_losses(gains: Iterable[float]) -> bool:
    """Whether no gain is possible, and at least one is certainly a loss."""
    is_loss = False
    for gain in gains:
        if not gain <= 0:  # a gain that is no number is no loss
            return False
        is_loss |= gain < 0
    return is_loss

"""What a worker reports of a candidate, as a finished trial."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from evaluators.scores import count_documents
from search.ledger import Proposal, Trial

if TYPE_CHECKING:
    from evaluators.scores import Estimate
    from search.objectives import Objective
    from workers.candidate import Outcome

log = logging.getLogger(__name__)


@dataclass
class OutcomeReader:
    """Turns outcomes into trials.

    Args:
        objectives: what the outcomes' values mean.
        documents: of a full scoring; 0 as long as there was none.
        engines: that have scored trials of the run, with their versions.
    """

    objectives: Sequence[Objective]
    documents: int = 0
    engines: set[str] = field(default_factory=set)

    def trial(self, proposal: Proposal, outcome: Outcome, *, order: int, clock: float) -> Trial:
        """The trial that an outcome finishes; a score that is not a number makes it broken.

        Args:
            proposal: what was tried.
            outcome: what the worker reports.
            order: position in the order of finishing.
            clock: seconds that drivers have run.
        """
        documents = 0 if outcome.documents is None else count_documents(outcome.documents)
        if outcome.conditions:
            self._compare(outcome.conditions.engine, proposal.number)
        trial = Trial(
            proposal,
            outcome.state,
            order=order,
            cause=outcome.cause,
            seconds=outcome.seconds,
            worker=outcome.worker,
            conditions=asdict(outcome.conditions) if outcome.conditions else None,
            share=self._share(outcome.state, documents),
            clock=clock,
            documents=documents,
            estimates=outcome.estimates,
        )
        try:
            if outcome.state == "stopped":
                _check(outcome.estimates)
            if outcome.state != "scored":
                return trial
            scores = {each.name: each.value(outcome.values) for each in self.objectives}
        except ValueError as error:  # such a score must not reach the sampler
            return replace(trial, state="broken", cause=str(error), estimates={})
        return replace(trial, scores=scores)

    def _compare(self, engine: str, number: int) -> None:
        """Warns once of each engine, or version of one, that is not that of the trials before."""
        if self.engines and engine not in self.engines:
            log.warning(
                "trial %d was scored by %s, earlier ones by %s: their scores may differ",
                number,
                engine,
                ", ".join(sorted(self.engines)),
            )
        self.engines.add(engine)

    def _share(self, state: str, documents: int) -> float:
        """The share of a full scoring that was done before the candidate was stopped."""
        if state == "scored":
            self.documents = max(self.documents, documents)
            return 1.0
        return min(1.0, documents / self.documents) if self.documents else 0.0


def _check(estimates: Mapping[str, Estimate]) -> None:
    for name, each in estimates.items():
        if not (math.isfinite(each.value) and math.isfinite(each.error)):
            raise ValueError(f"objective {name}: its estimate is {each.value} ± {each.error}")

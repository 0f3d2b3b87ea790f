"""What a worker says of a candidate, as a finished trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from search.ledger.trial import Proposal, Trial

if TYPE_CHECKING:
    from search.objectives.objective import Objective
    from workers.candidate import Outcome


@dataclass
class Judge:
    """Finds the objectives in outcomes.

    Args:
        objectives: what the outcomes' values mean.
        rows: document scores of a full scoring; 0 as long as there was none.
    """

    objectives: Sequence[Objective]
    rows: int = 0

    def trial(self, proposal: Proposal, outcome: Outcome, *, order: int, clock: float) -> Trial:
        """The trial that an outcome finishes; a score that is not a number makes it a broken one.

        Args:
            proposal: what was tried.
            outcome: what came of it.
            order: of finishing.
            clock: seconds of the run.
        """
        trial = Trial(
            proposal,
            outcome.state,
            order=order,
            cause=outcome.cause,
            seconds=outcome.seconds,
            worker=outcome.worker,
            conditions=asdict(outcome.conditions) if outcome.conditions else None,
            share=self._share(outcome),
            clock=clock,
        )
        if outcome.state != "scored":
            return trial
        try:
            scores = {each.name: each.value(outcome.values) for each in self.objectives}
        except ValueError as error:  # it must not reach the sampler
            return replace(trial, state="broken", cause=str(error))
        return replace(trial, scores=scores)

    def _share(self, outcome: Outcome) -> float:
        """Of a full scoring's work: what is left out when a candidate is stopped half-way."""
        rows = 0 if outcome.documents is None else int(outcome.documents.num_rows)
        if outcome.state == "scored":
            self.rows = max(self.rows, rows)
            return 1.0
        return min(1.0, rows / self.rows) if self.rows else 0.0


def duplicate(proposal: Proposal, twin: Trial, *, order: int, clock: float) -> Trial:
    """The trial of a recipe that was evaluated before, scored or broken, and is not again."""
    return Trial(
        proposal,
        "duplicate" if twin.state == "scored" else twin.state,
        order=order,
        scores=twin.scores,
        cause=f"the same recipe as trial {twin.number}",
        conditions=twin.conditions,
        clock=clock,
    )

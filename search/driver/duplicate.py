"""When a trial is a duplicate: an earlier one evaluated the same recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.ledger import Proposal, Trial

if TYPE_CHECKING:
    from search.driver.history import History


def duplicate_trial(proposal: Proposal, history: History) -> Trial | None:
    """A trial with the results of the earlier one with the same recipe digest; None if none has.

    A broken or stopped one is so again; failed candidates may be tried again.
    """
    if (earlier := history.evaluated.get(proposal.digest)) is None:
        return None
    return Trial(
        proposal,
        "duplicate" if earlier.state == "scored" else earlier.state,
        order=history.next_order,
        scores=earlier.scores,
        cause=f"the same recipe as trial {earlier.number}",
        conditions=earlier.conditions,
        clock=history.clock,
        estimates=earlier.estimates,
    )

"""How far a run is, from its files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search.driver import counts
from search.session import standing

if TYPE_CHECKING:
    from search.ledger import Ledger


def status_of(ledger: Ledger) -> dict[str, Any]:
    """What `mergefront status --json` prints; the keys are kept stable."""
    found = standing(ledger)
    proposed, done = len(ledger.proposals()), len(found.trials)
    budget = ledger.header["trials"]
    driven = ledger.is_driven
    return {
        "version": 1,
        "run": ledger.header["name"],
        "state": "running" if driven else "finished" if done >= budget else "stopped",
        "trials": {
            "proposed": proposed,
            "running": proposed - done if driven else 0,
            **counts(found.trials),
        },
        "front": len(found.front),
        "best": found.best(),
        "budget": {"trials": budget, "spent": done},
    }

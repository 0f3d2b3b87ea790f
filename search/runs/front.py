"""The front of a run as plain JSON values, with the verdicts on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from search.runs.verdict import recorded_verdicts

if TYPE_CHECKING:
    from search.ledger import Ledger
    from search.results import RunResults
    from search.runs.verdict import RunVerdict


def front_json(
    ledger: Ledger,
    results: RunResults,
    verdicts: Sequence[RunVerdict],
    *,
    history: bool = False,
) -> dict[str, Any]:
    """What `mergefront front --json` prints; the keys are kept stable.

    Args:
        ledger: of the run.
        results: of it, perhaps with a condition.
        verdicts: that have been asked.
        history: add the hypervolume over the scored trials.
    """
    content = results.to_json(ledger.header["name"])
    content["verdicts"] = [each.to_json() for each in verdicts]
    return {**content, "history": results.history_json()} if history else content


def readable_verdicts(ledger: Ledger, say: Callable[[str], None]) -> Sequence[RunVerdict]:
    """The verdicts that have been asked; none if their record is damaged, of which `say` is told.

    A front can do without them; what stands on a verdict, a report or a card, cannot.
    """
    try:
        return recorded_verdicts(ledger)
    except ValueError as error:
        say(f"the verdict cannot be read: {error}")
        return ()

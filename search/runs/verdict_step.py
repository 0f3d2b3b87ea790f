"""The verdict that a config wants at the end of its search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search.runs.verdict import verdict_on_pick

if TYPE_CHECKING:
    from search.ledger import Ledger
    from search.runs.search import MakePool


def judge_pick(
    ledger: Ledger,
    pick: str | None,
    *,
    address: str = "local",
    takeover: bool = False,
    make_pool: MakePool | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Makes the verdict that `verdict:` asks for; its sentence is then shown below the front.

    Args:
        ledger: of the run, whose search is over.
        pick: what `verdict:` says; None stands for no verdict.
        address: of the Ray cluster; "local" starts one here.
        takeover: take the lease of another driver, which is certainly dead.
        make_pool: something else than a pool of Ray actors.
        say: is told of progress and of warnings.

    Raises:
        ValueError: if models or documents of the run have changed.
        RunBusyError: if something is to be scored and a driver works on the run.
        ScoringError: if a trial cannot be scored.
    """
    if pick is None:
        return
    found = verdict_on_pick(
        ledger, pick, address=address, takeover=takeover, make_pool=make_pool, say=say
    )
    for each in found.warnings:
        say(f"warning: {each}")

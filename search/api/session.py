"""One session of a search: it reports each trial that finishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.runs import EachTrial, run_search

if TYPE_CHECKING:
    from search.config import Plan
    from search.driver import Budget
    from search.ledger import Ledger
    from search.runs import MakePool, OnTrial


def run_session(
    plan: Plan,
    ledger: Ledger,
    budget: Budget,
    *,
    on_trial: OnTrial | None = None,
    address: str = "local",
    make_pool: MakePool | None = None,
) -> None:
    """Searches until the budget is spent, or a signal stops it."""
    watch = EachTrial(ledger, on_trial or (lambda _: None))
    driver = run_search(plan, ledger, budget, address=address, watch=watch, make_pool=make_pool)
    watch(driver)  # the last outcomes come after the last step

"""One session of a search: it reports each trial that finishes, and ends with a verdict."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from search.runs import EachTrial, judge_pick, reached_limit, run_search

if TYPE_CHECKING:
    from search.config import Plan
    from search.driver import Budget
    from search.ledger import Ledger
    from search.runs import MakePool, OnTrial

log = logging.getLogger(__name__)


def run_session(
    plan: Plan,
    ledger: Ledger,
    budget: Budget,
    *,
    on_trial: OnTrial | None = None,
    address: str = "local",
    make_pool: MakePool | None = None,
) -> None:
    """Searches until the budget is spent, and makes the config's verdict; or a signal stops it."""
    if not reached_limit(ledger, budget):
        watch = EachTrial(ledger, on_trial or (lambda _: None))
        driver = run_search(plan, ledger, budget, address=address, watch=watch, make_pool=make_pool)
        watch(driver)  # the last outcomes come after the last step
        if not driver.finished:
            return
    pick = plan.config.verdict
    judge_pick(ledger, pick, address=address, make_pool=make_pool, say=log.info)

"""Running a search: plan, ledger, study and pool put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search.driver import Budget, Driver, baselines, stopped_by_signals
from search.samplers import Study

if TYPE_CHECKING:
    from search.config import Plan
    from search.ledger import Lease, Ledger
    from workers.pool import Pool

MakePool = Callable[["Plan", str], "Pool"]


def run_search(
    prepared: Plan,
    ledger: Ledger,
    budget: Budget,
    *,
    address: str = "local",
    takeover: bool = False,
    watch: Callable[[Driver], None] = lambda _: None,
    make_pool: MakePool | None = None,
) -> Driver:
    """Starts or continues a search; returns when its budget is spent or it was stopped.

    Args:
        prepared: what to search.
        ledger: where it is recorded.
        budget: when it ends; what earlier sessions spent counts. A new budget is kept in the run.
        address: of the Ray cluster; "local" starts one here.
        takeover: take the lease of another driver, which is certainly dead.
        watch: is called after every step.
        make_pool: something else than a pool of Ray actors.

    Raises:
        RunBusyError: if another driver has the lease of this run.
        AddressError: if no search can run through the address.
        PoolError: if no worker can work any more.
    """
    with ledger.driving(takeover=takeover) as lease:
        ledger.record_budget(budget.model_dump(mode="json"))
        pool = (make_pool or ray_pool)(prepared, address)
        driver = _driver(prepared, pool, ledger, budget)
        driver.watch = lambda driver: _report(driver, lease, watch)
        try:
            with stopped_by_signals(driver):
                driver.run()
        finally:
            pool.close()
    return driver


def ray_pool(prepared: Plan, address: str) -> Pool:
    """Workers as Ray actors."""
    from workers.pool.ray_pool import RayPool  # noqa: PLC0415 - Ray and torch, only for a search
    from workers.worker import Setup, Worker  # noqa: PLC0415

    setup = Setup(
        base=prepared.base,
        models=prepared.models,
        suite=prepared.suite,
        gate=prepared.config.gate,
        merging=prepared.config.merging,
    )
    return RayPool(Worker, setup, prepared.config.workers, address, prepared.config.name)


def _driver(prepared: Plan, pool: Pool, ledger: Ledger, budget: Budget) -> Driver:
    config = prepared.config
    directions = [each.direction for each in prepared.objectives]
    return Driver(
        study=Study(
            config.sampler,
            prepared.space.axes,
            directions,
            config.seed,
            prepared.space.features,
            [each.weight for each in prepared.objectives] if config.prefer != "front" else None,
        ),
        pool=pool,
        ledger=ledger,
        recipe_of=prepared.space.recipe,
        baselines=baselines(prepared.space, prepared.recipes),
        objectives=prepared.objectives,
        budget=budget,
    )


def _report(driver: Driver, lease: Lease, watch: Callable[[Driver], None]) -> None:
    """Writes the state of the search into the run, where `mergefront status` reads it."""
    lease.report({"running": sorted(driver.running), **driver.pool.report})
    watch(driver)

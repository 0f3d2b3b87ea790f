"""Running a search: plan, ledger, study and pool put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evaluators.steps import begin_step
from search.driver import Budget, Driver, StageBuilder, baselines, stopped_by_signals
from search.runs.tracking import tracking
from search.space import MergeFeatures

if TYPE_CHECKING:
    from search.config import Plan
    from search.ledger import Lease, Ledger
    from workers.pool import Pool
    from workers.worker import Setup

MakePool = Callable[["Plan", str], "Pool"]


def run_search(
    plan: Plan,
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
        plan: what to search.
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
    with ledger.driving(takeover=takeover) as lease, tracking(plan, ledger) as track:
        ledger.record_budget(budget.model_dump(mode="json"))
        pool = (make_pool or ray_pool)(plan, address)
        begin_step("reading the trials of the run")
        driver = _driver(plan, pool, ledger, budget)
        driver.watch = lambda driver: _report(driver, lease, (track, watch))
        try:
            with stopped_by_signals(driver):
                driver.run()
        finally:
            pool.close()
            track(driver)  # the last outcomes come after the last step
    return driver


def ray_pool(plan: Plan, address: str) -> Pool:
    """Workers as Ray actors."""
    begin_step("starting Ray" if address == "local" else f"connecting to Ray at {address}")
    from workers.pool.ray_pool import RayPool  # imports Ray and torch
    from workers.worker import Worker

    return RayPool(Worker, setup_of(plan), plan.config.workers, address, plan.config.name)


def setup_of(plan: Plan) -> Setup:
    """What each worker of a plan needs to start."""
    from workers.worker import Setup  # imports torch

    return Setup(
        base=plan.base,
        models=plan.models,
        suite=plan.suite,
        gate=plan.config.gate,
        merging=plan.config.merging,
        tokenizer=plan.config.tokenizer,
        chat_template=plan.space.chat_template,
        generation_config=plan.space.generation_config,
    )


def _driver(plan: Plan, pool: Pool, ledger: Ledger, budget: Budget) -> Driver:
    from search.samplers import Study  # imports Optuna

    config = plan.config
    directions = [each.direction for each in plan.objectives]
    return Driver(
        study=Study(
            config.sampler,
            plan.space.axes,
            directions,
            config.seed,
            MergeFeatures(plan.space),
            [each.weight for each in plan.objectives] if config.prefer != "front" else None,
        ),
        pool=pool,
        ledger=ledger,
        recipe_of=plan.space.recipe,
        baselines=baselines(plan.space, plan.recipes),
        objectives=plan.objectives,
        budget=budget,
        stages=StageBuilder(plan.stages, plan.objectives, ledger, list(plan.models)),
    )


def _report(driver: Driver, lease: Lease, watches: Sequence[Callable[[Driver], None]]) -> None:
    """Writes the state of the search into the run, where `mergefront status` reads it."""
    lease.report({"running": sorted(driver.running), "clock": driver.clock, **driver.pool.report})
    for watch in watches:
        watch(driver)

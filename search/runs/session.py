"""A search from beginning to end: plan, ledger, study and pool put together and let run."""

from __future__ import annotations

import logging
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from search.config.plan import Plan, plan
from search.config.schema import Config
from search.driver.baselines import baselines
from search.driver.budget import Budget, wall_hours
from search.driver.driver import LAST_WAIT, Driver
from search.ledger import CONFIG, Ledger
from search.results.results import RunResults
from search.runs.inputs import changed_inputs, changed_keys, inputs
from search.samplers import Study

if TYPE_CHECKING:
    from search.ledger import Lease
    from workers.pool import Pool

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

MakePool = Callable[[Plan, str], "Pool"]


def begin(prepared: Plan) -> Ledger:
    """A new run folder for a plan.

    Raises:
        ValueError: if there is a run already.
    """
    config = prepared.config
    header = {
        "name": config.name,
        "objectives": {each.name: each.to_dict() for each in prepared.objectives},
        "budget": config.budget.model_dump(mode="json"),
        "inputs": inputs(prepared),
    }
    return Ledger.create(config.run, header, config.to_yaml())


def open_run(root: str | Path) -> tuple[Plan, Ledger]:
    """A run that is there, and its plan checked once more: models or tasks may have gone.

    Raises:
        ValueError: if it is no run, or a model, task or metric is not there any more.
    """
    ledger = Ledger(root)
    prepared = _plan_of(ledger)
    return replace(prepared, config=_with_budget(prepared.config, ledger)), ledger


def _with_budget(config: Config, ledger: Ledger) -> Config:
    """The config with the budget that holds by now: perhaps it was raised."""
    return config.model_copy(update={"budget": Budget.model_validate(ledger.budget)})


def _plan_of(ledger: Ledger) -> Plan:
    if ledger.is_local:
        return plan(Path(ledger.root) / CONFIG)
    with tempfile.TemporaryDirectory() as folder:  # its paths are absolute: any place will do
        copy = Path(folder) / CONFIG
        copy.write_text(ledger.config, encoding="utf-8")
        return plan(copy)


def resume_run(root: str | Path, config: Path | None = None) -> tuple[Plan, Ledger, list[str]]:
    """A run to go on with, if what decides its scores is what it was.

    Args:
        root: of the run.
        config: a config to go on with instead of the run's own, and instead of a raised budget;
            the files that the run's own names need not be there any more.

    Returns:
        The plan, the ledger, and what has changed without harm.

    Raises:
        ValueError: if a model, task, document or key of the config has changed that matters.
    """
    changed, harmless = list[str](), list[str]()
    if config is None:
        prepared, ledger = open_run(root)
    else:
        prepared, ledger = plan(config), Ledger(root)
        own = _with_budget(Config.model_validate(config_of(ledger)), ledger)
        changed, harmless = changed_keys(own, prepared.config)
    if matters := changed_inputs(ledger.header["inputs"], inputs(prepared)) + changed:
        raise ValueError(
            f"{root} cannot go on, for its trials would not be comparable:\n"
            + "".join(f"  {each}\n" for each in matters)
            + "Put that back as it was, or begin a new run with its trials: set another `run:` in "
            f"a config and `mergefront search CONFIG --from {root}`"
        )
    return prepared, ledger, harmless


def search(
    prepared: Plan,
    ledger: Ledger,
    budget: Budget,
    *,
    address: str = "local",
    takeover: bool = False,
    watch: Callable[[Driver], None] = lambda _: None,
    make_pool: MakePool | None = None,
) -> Driver:
    """Runs or goes on with a search; returns when its budget is spent or it was stopped.

    Args:
        prepared: what to search.
        ledger: where it is kept.
        budget: when it ends; of a resumed run, what the earlier sessions spent is counted in. Where
            it is another than before, the run keeps it.
        address: of the Ray cluster; "local" starts one here.
        takeover: break the hold of another driver, that is surely dead.
        watch: is called after every step.
        make_pool: something else than a pool of Ray actors.

    Raises:
        RunBusyError: if another driver works on this run.
        AddressError: if no search can run through the address.
        PoolError: if no worker can work any more.
    """
    with ledger.driving(takeover=takeover) as lease:
        ledger.keep_budget(budget.model_dump(mode="json"))
        pool = (make_pool or ray_pool)(prepared, address)
        driver = _driver(prepared, pool, ledger, budget)
        driver.watch = lambda driver: _tell(driver, lease, watch)
        try:
            with stopped_by_signals(driver):
                driver.run()
        finally:
            pool.close()
    return driver


def _driver(prepared: Plan, pool: Pool, ledger: Ledger, budget: Budget) -> Driver:
    config = prepared.config
    directions = [each.direction for each in prepared.objectives]
    return Driver(
        study=Study(config.sampler, prepared.space.axes, directions, config.seed),
        pool=pool,
        ledger=ledger,
        recipe_of=prepared.space.recipe,
        first=baselines(prepared.space, prepared.recipes),
        objectives=prepared.objectives,
        limits=budget,
    )


def ray_pool(prepared: Plan, address: str) -> Pool:
    """Workers as Ray actors."""
    from workers.pool.on_ray import RayPool  # noqa: PLC0415 - Ray and torch, only for a search
    from workers.worker import Setup, Worker  # noqa: PLC0415

    setup = Setup(
        base=prepared.base,
        models=prepared.models,
        suite=prepared.suite,
        gate=prepared.config.gate,
        merging=prepared.config.merging,
    )
    return RayPool(Worker, setup, prepared.config.workers, address, prepared.config.name)


def results_of(ledger: Ledger) -> RunResults:
    """Where the run stands, from its files alone."""
    return RunResults.of(ledger.header["objectives"], ledger.trials())


def spent(ledger: Ledger, budget: Budget) -> str | None:
    """Which limit the run has reached, in words, or None; from its files alone."""
    found = results_of(ledger)
    return budget.reached(found.trials, wall_hours(found.trials), found.objectives)


def _tell(driver: Driver, lease: Lease, watch: Callable[[Driver], None]) -> None:
    """Leaves word in the run for `mergefront status`, which may be asked on another machine."""
    lease.report({"running": sorted(driver.running), **driver.pool.report})
    watch(driver)


def config_of(ledger: Ledger) -> dict[str, Any]:
    """The run's config as it was understood."""
    content: dict[str, Any] = yaml.safe_load(ledger.config)
    return content


@contextmanager
def stopped_by_signals(driver: Driver) -> Iterator[None]:
    """A signal stops the search, the second leaves at once, the third does not even tidy up.

    Installed after Ray has started, which puts its own SIGTERM handler in place.
    """

    def soon() -> None:
        driver.stop()
        if driver.running:
            log.warning(
                "stopping  %d candidates under way have %d s; again to leave at once",
                len(driver.running),
                LAST_WAIT,
            )

    ways = iter((soon, driver.leave))

    def stop(number: int, _: object) -> None:
        way = next(ways, None)
        if way is None:
            signal.default_int_handler(number, None)
        else:
            way()

    kept = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)

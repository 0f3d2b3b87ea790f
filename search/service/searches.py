"""Creating, stopping and resuming searches: run folders here, jobs on the cluster."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.settings import SettingsError
from search.config import Config, parse_config
from search.driver import Budget
from search.ledger import CONFIG, Ledger
from search.runs import config_of, create_run, raised_budget, reached_limit, submit_command
from search.service.problems import Problem
from search.service.submissions import config_problem

if TYPE_CHECKING:
    from search.service.cluster import Cluster
    from search.service.settings import ServiceSettings
    from search.service.submissions import Submissions

CLAIM_WAIT = 5.0  # seconds in which another replica writes the run whose folder it has made


@dataclass
class Searches:
    """The searches of a service.

    Args:
        settings: of the service.
        cluster: where they run.
        submissions: reads their configs.
    """

    settings: ServiceSettings
    cluster: Cluster
    submissions: Submissions
    _locks: defaultdict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )

    def create(self, text: str) -> tuple[str, bool]:
        """Creates and starts a search; its name, and whether it is new.

        A search with the same name and config is not created again, and is started only if it has
        never been: so a request may be repeated.

        Raises:
            Problem: 422 with every error in the config, 409 if the name is taken by another
                config, 503 if the cluster does not answer.
        """
        plan = self.submissions.plan(text)
        folder = Path(plan.config.run)
        with self._locks[folder.name]:
            is_new = self._claim(folder)
            try:
                ledger = create_run(plan) if is_new else Ledger(folder)
            except ValueError as error:
                raise Problem(HTTPStatus.CONFLICT, str(error)) from None
            if not is_new and ledger.config != plan.config.to_yaml():
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"there is a search {folder.name} with another config",
                    field="name",
                    fix="choose another name; to continue that search, resume it",
                )
            if is_new or self._was_never_started(ledger):
                self._submit(folder.name, plan.config)
        return folder.name, is_new

    def stop(self, name: str, ledger: Ledger) -> None:
        """Begins to stop a search.

        Raises:
            Problem: 409 if it does not run, or not on this service's cluster.
        """
        job = self.cluster.job(name)
        if job is None or job.is_over:
            if driver := ledger.driver:
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"search {name} is run by {driver.who}, which is no job of this cluster",
                    fix="stop that process",
                )
            raise Problem(
                HTTPStatus.CONFLICT,
                f"search {name} does not run, so it cannot be stopped",
                fix="nothing needs to be done",
            )
        self.cluster.stop(name)

    def resume(self, name: str, ledger: Ledger, limits: Mapping[str, float | None]) -> None:
        """Continues a search, with new limits of its budget where they are given.

        Raises:
            Problem: 409 if it runs or its budget is spent, 422 if a limit is impossible, 503 if
                the cluster does not answer.
        """
        with self._locks[name]:
            job = self.cluster.job(name)
            if ledger.driver or (job is not None and not job.is_over):
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"search {name} runs, so it cannot be resumed",
                    fix="stop it first",
                )
            try:
                budget = raised_budget(Budget.model_validate(ledger.budget), limits)
            except SettingsError as error:
                raise config_problem([*error.errors]) from None
            if limit := reached_limit(ledger, budget):
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"search {name} is over: {limit}",
                    fix="give a larger budget: trials, scorings, hours or worker_hours",
                )
            config = parse_config(config_of(ledger), Path(CONFIG))
            self._submit(name, config.model_copy(update={"budget": budget}))

    def _submit(self, name: str, config: Config) -> None:
        arguments = ["search", CONFIG, "--address", "auto", "--resume", "--log-format", "json"]
        self.submit_command(name, arguments, str(config.run), config)

    def submit_command(
        self, name: str, arguments: list[str], run: str, config: Config | None = None
    ) -> None:
        """Starts a job; see `search.runs.submit_command`.

        Raises:
            Problem: 409 if the job runs already, 503 if the cluster does not answer.
        """
        with self.cluster.jobs() as jobs:
            submit_command(name, arguments, run, jobs, config=config)

    def _claim(self, folder: Path) -> bool:
        """Whether a run is to be created in this folder, and no other replica does so."""
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            _wait(lambda: Ledger.is_at(folder))
            return not Ledger.is_at(folder)  # its creator has died
        except OSError as error:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, f"the root cannot be written: {error.strerror}"
            ) from None
        return True

    def _was_never_started(self, ledger: Ledger) -> bool:
        if ledger.driver or ledger.trials():
            return False
        return self.cluster.answers and self.cluster.job(Path(ledger.root).name) is None


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + CLAIM_WAIT
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)

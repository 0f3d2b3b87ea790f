"""A pool for a run that is started only when something has to be scored."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from search.runs.inputs import changed_inputs, undo_or_restart
from search.runs.run import open_run
from search.runs.search import MakePool, ray_pool

if TYPE_CHECKING:
    from search.config import Plan
    from search.ledger import Ledger
    from workers.pool import Pool

WAIT = 0.5  # seconds of a wait for outcomes


@dataclass
class PoolOnDemand:
    """Starts the pool when it is first asked for, with the lease of the run; ends both at exit.

    Args:
        ledger: of the run.
        address: of the Ray cluster.
        takeover: take the lease of another driver, which is certainly dead.
        make_pool: something else than a pool of Ray actors.
        workers: at most so many; as the config says if it is None.
    """

    ledger: Ledger
    address: str = "local"
    takeover: bool = False
    make_pool: MakePool | None = None
    workers: int | None = None
    _pool: Pool | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def started(self) -> Pool:
        """The pool.

        Raises:
            ValueError: if the inputs of the run have changed.
            RunBusyError: if a driver works on the run.
        """
        if self._pool is None:
            plan = self._plan()
            self._stack.enter_context(self.ledger.driving(takeover=self.takeover))
            pool = (self.make_pool or ray_pool)(plan, self.address)
            self._pool = self._stack.enter_context(closing(pool))
        return self._pool

    def _plan(self) -> Plan:
        plan, _ = open_run(self.ledger.root)
        if changed := changed_inputs(self.ledger.header["inputs"], plan):
            raise ValueError(
                f"{self.ledger.root} cannot be scored on more documents, because the scores would "
                "not be comparable:\n"
                + "".join(f"  {each}\n" for each in changed)
                + undo_or_restart(self.ledger.root)
            )
        if self.workers is None:
            return plan
        workers = plan.config.workers.model_copy(update={"max": self.workers})
        return replace(plan, config=plan.config.model_copy(update={"workers": workers}))

"""The interface between the driver and a pool, and the settings of pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator

from evaluators.settings import CountOrZero, Settings

if TYPE_CHECKING:
    from workers.candidate import Candidate, Outcome

LEAST = 0.01
"""Of a CPU or GPU per worker: Ray would place any number of workers that need less."""
Workers = Annotated[int, Field(gt=0, le=100_000)]


class PoolSettings(Settings):
    """The size of a worker, the number of workers, and the time limits."""

    gpus: NonNegativeFloat | None = None
    """Per worker: a fraction of a GPU, or several over which the model is split. By default one if
    there are any."""
    cpus: Annotated[float, Field(ge=LEAST)] | None = None
    """Per worker; by default one with a GPU, else two."""
    memory: PositiveFloat | None = None
    """GiB per worker that Ray reserves."""
    max: Workers | None = None
    """The largest number of workers; by default as many as fit. On a cluster this many are
    requested, and its autoscaler follows the requests."""
    per_node: Workers | None = None
    """The largest number of workers on one machine."""
    runtime_env: dict[str, Any] | None = None
    """Ray's runtime environment of the workers' processes."""
    retries: CountOrZero = 2
    """How often a candidate is tried again after its worker died."""
    deadline: PositiveFloat | None = None
    """Seconds after which a candidate counts as hung; by default ten times the median so far."""
    start: PositiveFloat = 1800.0
    """Seconds within which a worker must start; otherwise its start has failed."""
    room: PositiveFloat = 1800.0
    """Seconds to wait for a machine while no worker fits on any."""

    @field_validator("gpus")
    @classmethod
    def _is_fraction_or_whole(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus % 1:
            raise ValueError(
                f"{gpus:g} is neither a fraction of one GPU nor a whole number of them"
            )
        if gpus is not None and 0 < gpus < LEAST:
            raise ValueError(f"{gpus:g} is less than {LEAST} of a GPU; 0 is none")
        return gpus


class AddressError(ValueError):
    """No search can run through this address; the message says what to do instead."""


class PoolError(RuntimeError):
    """No worker can evaluate candidates any more; the message says why."""


class SetupError(PoolError):
    """No worker can start with these models and tasks on any node; the message says why."""


class Pool(Protocol):
    """Accepts candidates and returns outcomes in the order of completion."""

    @property
    def workers(self) -> int:
        """The number of workers, including those that are starting."""

    @property
    def free(self) -> int:
        """How many more candidates can start immediately."""

    @property
    def report(self) -> dict[str, Any]:
        """The state of the workers as plain JSON values.

        `workers`, `starting` and `busy` are counts, `troubles` lists closed slots and nodes, and
        why a worker could not start; `preparing` is the progress of a worker that is starting,
        empty if unknown. `states` lists the first workers: their `name`, empty until they are
        placed on a node, `stage`, `trial` or None, and `seconds` in this stage.
        """

    def submit(self, candidate: Candidate) -> None:
        """Queues a candidate for a free worker."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Outcomes that arrive within that time, possibly none.

        Raises:
            SetupError: if no worker can start with its models and tasks.
            PoolError: if no worker can evaluate candidates any more.
        """

    def close(self) -> None:
        """Ends all workers; candidates being evaluated are lost."""

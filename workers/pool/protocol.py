"""What the driver may ask of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from evaluators.settings import Settings

if TYPE_CHECKING:
    from workers.candidate import Candidate, Outcome


class PoolSettings(Settings):
    """The size of a worker, how many there may be, and how long they are waited for."""

    gpus: NonNegativeFloat | None = None
    """Per worker; a share of one is fine, and over several the model is laid out. By default one,
    where there are any."""
    cpus: PositiveFloat | None = None
    """Per worker. By default two where there is no GPU."""
    memory: PositiveFloat | None = None
    """GiB per worker that Ray keeps free for it."""
    max: PositiveInt | None = None
    """How many workers at most; by default as many as fit. A cluster is asked for so many, which is
    what its autoscaler goes by."""
    per_node: PositiveInt | None = None
    """How many workers at most on one machine."""
    runtime_env: dict[str, Any] | None = None
    """Of the workers' processes, as Ray takes it."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a candidate whose worker died is tried again."""
    deadline: PositiveFloat | None = None
    """Seconds after which a candidate counts as hung; by default ten times the median so far."""
    start: PositiveFloat = 1800.0
    """Seconds that a worker may take to begin; then it counts as one that cannot."""
    room: PositiveFloat = 1800.0
    """Seconds to wait for a machine while there is none that a worker fits on."""

    @field_validator("gpus")
    @classmethod
    def _is_a_share_or_whole(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus % 1:
            raise ValueError(f"{gpus:g} is neither a share of one GPU nor a whole number of them")
        return gpus


class AddressError(ValueError):
    """No search can run through this address; the message says what can be done instead."""


class PoolError(RuntimeError):
    """No worker can work any more; the message says why."""


class SetupError(PoolError):
    """No worker can begin with these models and tasks, wherever it is; the message says why."""


class Pool(Protocol):
    """Takes candidates, gives outcomes back in the order in which they are done."""

    @property
    def workers(self) -> int:
        """How many workers there are, those that are starting included."""

    @property
    def free(self) -> int:
        """How many more candidates can begin at once."""

    @property
    def report(self) -> dict[str, Any]:
        """How the workers are, as plain JSON values: `workers`, `starting`, `busy`, `troubles`.

        And `beginning`: how far one of the starting ones is, if that can be told.
        """

    def submit(self, candidate: Candidate) -> None:
        """Hands a candidate to a free worker."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Outcomes that are there by then, perhaps none.

        Raises:
            SetupError: if no worker can begin with what it is given.
            PoolError: if no worker can work any more.
        """

    def close(self) -> None:
        """Ends all workers; candidates under way are lost."""

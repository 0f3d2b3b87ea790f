"""What the driver may ask of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field, NonNegativeFloat, PositiveInt

from evaluators.settings import Settings

if TYPE_CHECKING:
    from workers.candidate import Candidate, Outcome


class PoolSettings(Settings):
    """The size of a worker and how many there may be."""

    gpus: NonNegativeFloat | None = None
    """Per worker; a share of one is fine. By default one, where there are any."""
    cpus: Annotated[float, Field(gt=0)] | None = None
    """Per worker. By default two where there is no GPU."""
    max: PositiveInt | None = None
    """How many workers at most; by default as many as fit."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a candidate whose worker died is tried again."""


class PoolError(RuntimeError):
    """No worker can work any more; the message says why."""


class Pool(Protocol):
    """Takes candidates, gives outcomes back in the order in which they are done."""

    @property
    def workers(self) -> int:
        """How many workers there are, those that are starting included."""

    @property
    def free(self) -> int:
        """How many more candidates can begin at once."""

    def submit(self, candidate: Candidate) -> None:
        """Hands a candidate to a free worker."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Outcomes that are there by then, perhaps none.

        Raises:
            PoolError: if no worker can work any more.
        """

    def close(self) -> None:
        """Ends all workers; candidates under way are lost."""

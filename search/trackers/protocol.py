"""What a tracker is told, and what it must be able to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker shows it.

    Args:
        name: of the run.
        root: its folder or URI.
        config: its resolved config.
    """

    name: str
    root: str
    config: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Equal for all sessions of a run, so that a resumed one continues its record."""
        return hashlib.blake2b(self.root.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class TrackedTrial:
    """A finished trial as a tracker shows it."""

    number: int
    step: int
    """Position in the order of finishing."""
    state: str
    scores: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    hypervolume: float | None = None
    label: str | None = None
    cause: str | None = None

    def metrics(self) -> Iterator[tuple[str, float]]:
        """Everything that is a number and changes from trial to trial, by name."""
        yield from ((f"scores/{name}", value) for name, value in self.scores.items())
        yield from ((f"seconds/{phase}", value) for phase, value in self.seconds.items())
        if self.hypervolume is not None:
            yield "hypervolume", self.hypervolume

    def named_params(self) -> dict[str, Any]:
        """The parameters under names that all trackers accept, without brackets.

        >>> TrackedTrial(0, 0, "scored", params={"weight[code].mlp.0": 1.0}).named_params()
        {'params/weight/code.mlp.0': 1.0}
        """
        plain = {name.replace("[", "/").replace("]", ""): v for name, v in self.params.items()}
        return {f"params/{name}": value for name, value in plain.items()}


class Tracker(Protocol):
    """A record of a run somewhere else; it may raise anything."""

    def log(self, trial: TrackedTrial) -> None:
        """Adds a trial."""
        ...

    def close(self) -> None:
        """Ends the record of this session."""
        ...

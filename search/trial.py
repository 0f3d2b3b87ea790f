"""A trial as a run remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workers.recipe import Recipe

TrialState = Literal["scored", "stopped", "broken", "failed", "duplicate"]


@dataclass(frozen=True)
class Proposal:
    """A numbered attempt: what was to be tried, and why."""

    number: int
    recipe: Recipe
    params: Mapping[str, Any] | None = None
    """The point of the space; None for a recipe that no point gives."""
    label: str | None = None
    """Of a first trial: the base, a model's name, the uniform soup."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the sampler wants kept beside the point."""
    seen: int = 0
    """How many outcomes there were when it was proposed: the first so many in their order."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` takes them back."""
        return {
            "number": self.number,
            "label": self.label,
            "params": dict(self.params) if self.params is not None else None,
            "notes": dict(self.notes),
            "seen": self.seen,
            "digest": self.recipe.digest,
            "recipe": self.recipe.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Proposal:
        """Reads what `to_dict` wrote."""
        return cls(
            number=content["number"],
            recipe=Recipe.from_dict(content["recipe"]),
            params=content["params"],
            label=content["label"],
            notes=content["notes"],
            seen=content["seen"],
        )


@dataclass(frozen=True)
class Trial:
    """A proposal and what came of it."""

    proposal: Proposal
    state: TrialState
    order: int
    """The how-manieth to finish: samplers learn from trials in this order."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Objective -> value, of a scored trial or of the one it duplicates."""
    cause: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    worker: str = ""
    share: float = 0.0
    """Of the work of a full scoring that was spent on it."""
    clock: float = 0.0
    """Seconds of the run when it finished, those between its sessions left out."""

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.proposal.number

    @property
    def label(self) -> str | None:
        """What a first trial is: the base, a model's name, the uniform soup."""
        return self.proposal.label

    def summary(self) -> dict[str, Any]:
        """All but the proposal, as plain JSON values."""
        return {
            "number": self.number,
            "state": self.state,
            "order": self.order,
            "scores": dict(self.scores),
            "cause": self.cause,
            "seconds": dict(self.seconds),
            "worker": self.worker,
            "share": self.share,
            "clock": self.clock,
        }

"""The messages between driver and worker: a candidate, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluators.scores import Conditions, Estimate
    from evaluators.stages import Stages
    from workers.recipe import Recipe

PREPARING = "preparing: "
"""The prefix of a worker's log lines about its progress before the first candidate."""

State = Literal["scored", "stopped", "broken", "failed"]


@dataclass(frozen=True)
class Candidate:
    """A trial's recipe, to be merged and scored by a worker."""

    trial: int
    recipe: Recipe
    documents: str = "search"
    """The set of documents that it is scored on."""
    stages: Stages | None = None
    """In which it is scored; None scores all documents in one go."""


@dataclass(frozen=True)
class Outcome:
    """The result of a candidate."""

    trial: int
    state: State
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Task -> "metric,filter" as lm-eval names it -> aggregate over the documents."""
    documents: pa.Table | None = None
    """Scores per document; see `evaluators.scores`."""
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    """Criterion -> what a stopped candidate would score on all documents."""
    cause: str | None = None
    """Why there are no scores."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by phase: merge, gate, score."""
    worker: str = ""
    """Host and process that did the work."""
    conditions: Conditions | None = None
    """The conditions that can change the last bits of the scores."""

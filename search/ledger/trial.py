"""A trial as a run remembers it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

from workers.recipe import Recipe

TrialState = Literal["scored", "stopped", "broken", "failed", "duplicate"]

BASE, UNIFORM = "base", "uniform soup"
"""Labels of the two baselines that results are compared with."""


class Kept(Mapping[str, Any]):
    """A JSON object that is parsed when it is first looked into.

    A run has thousands of trials with hundreds of parameters each, and most of what reads a run
    looks into a few of them.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.text)
        return content

    def __getitem__(self, key: str) -> Any:
        return self._content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return repr(self._content)


@dataclass(frozen=True)
class KeptRecipe:
    """A recipe as it was written down."""

    digest: str
    content: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Proposal:
    """A numbered attempt: what was to be tried, and why."""

    number: int
    given: Recipe | KeptRecipe
    params: Mapping[str, Any] | None = None
    """The point of the space; None for a recipe that no point gives."""
    label: str | None = None
    """Of a first trial: the base, a model's name, the uniform soup."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the sampler wants kept beside the point."""
    seen: int = 0
    """How many outcomes there were when it was proposed: the first so many in their order."""

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe; one that was written down is read when it is first asked for."""
        if isinstance(self.given, Recipe):
            return self.given
        return Recipe.from_dict(dict(self.given.content))

    @cached_property
    def digest(self) -> str:
        """The recipe's digest."""
        return self.given.digest

    @cached_property
    def params_text(self) -> str | None:
        """The params as JSON."""
        return None if self.params is None else _text(self.params)

    @cached_property
    def recipe_text(self) -> str:
        """The recipe as JSON."""
        given = self.given
        return _text(given.to_dict() if isinstance(given, Recipe) else given.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Proposal) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash((self.number, self.digest))

    @property
    def _identity(self) -> tuple[Any, ...]:
        params = None if self.params is None else dict(self.params)
        return self.number, self.digest, params, self.label, dict(self.notes), self.seen

    def to_json(self) -> str:
        """One JSON object; `from_dict` takes it back."""
        head: dict[str, Any] = {"number": self.number, "label": self.label, "seen": self.seen}
        head |= {"notes": dict(self.notes), "digest": self.digest}
        rest = f'"params":{self.params_text or "null"},"recipe":{self.recipe_text}'
        return f"{_text(head)[:-1]},{rest}}}"

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Proposal:
        """Reads what `to_json` wrote."""
        return cls(
            number=content["number"],
            given=KeptRecipe(content["digest"], content["recipe"]),
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
    conditions: Mapping[str, Any] | None = None
    """What the last bits of the scores depend on: `evaluators.scores.Conditions` by field."""

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.proposal.number

    @property
    def label(self) -> str | None:
        """What a first trial is: the base, a model's name, the uniform soup."""
        return self.proposal.label

    @property
    def reason(self) -> str:
        """The last line of the cause, which is where a traceback says what went wrong."""
        return next(reversed((self.cause or "").strip().splitlines()), "for no known cause")

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
            "conditions": None if self.conditions is None else dict(self.conditions),
        }

    def to_json(self) -> str:
        """One JSON object, the proposal inside; `from_dict` takes it back."""
        return f'{_text(self.summary())[:-1]},"proposal":{self.proposal.to_json()}}}'

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Trial:
        """Reads what `to_json` wrote."""
        content = {"conditions": None, **content}  # were not always kept
        rest = {name: content[name] for name in _FIELDS}
        return cls(Proposal.from_dict(content["proposal"]), **rest)


_FIELDS = [each.name for each in fields(Trial) if each.name != "proposal"]


def _text(content: Mapping[str, Any]) -> str:
    if isinstance(content, Kept):
        return content.text
    return json.dumps(dict(content), separators=(",", ":"))

"""Proposals and trials, and how they are written as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

from evaluators.scores import Estimate
from workers.recipe import Recipe

TrialState = Literal["scored", "stopped", "broken", "failed", "duplicate"]

BASE, UNIFORM = "base", "uniform soup"
"""Labels of the two baselines that every result is compared with."""

FIRST_AVERAGE = 1_000_000
"""Number of the first average of trials: a search may be resumed, and counts on from its last."""


@dataclass(frozen=True)
class Proposal:
    """A numbered recipe to evaluate, and where it comes from.

    Recipe and params are stored as JSON and parsed on first use: a run has thousands of trials with
    hundreds of parameters each, and most commands read the params of a few trials only.
    """

    number: int
    digest: str
    """Of the recipe."""
    recipe_json: str = field(compare=False)
    params_json: str | None = None
    label: str | None = None
    """The name of a baseline, for example `uniform soup`; None for a sampled point."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the sampler wants to store with the point."""
    seen: int = 0
    """How many trials had finished when it was proposed; the sampler knew exactly those."""

    @classmethod
    def create(
        cls,
        number: int,
        recipe: Recipe,
        params: Mapping[str, Any] | None = None,
        label: str | None = None,
        *,
        notes: Mapping[str, Any] | None = None,
        seen: int = 0,
    ) -> Proposal:
        """A proposal of a recipe, and of its point in the space if there is one."""
        params_json = None if params is None else _json(dict(params))
        recipe_json = _json(recipe.to_dict())
        return cls(number, recipe.digest, recipe_json, params_json, label, notes or {}, seen)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe to evaluate."""
        return Recipe.from_dict(json.loads(self.recipe_json))

    @cached_property
    def params(self) -> Mapping[str, Any] | None:
        """The point in the space, or None if the recipe is not a point of it."""
        return None if self.params_json is None else json.loads(self.params_json)

    @property
    def is_input(self) -> bool:
        """Whether it is the base or a model alone: every other label has a space in it."""
        return self.label is not None and " " not in self.label

    @property
    def is_average(self) -> bool:
        """Whether it is an average of trials, which a verdict tries and no search knows."""
        return self.number >= FIRST_AVERAGE

    def to_json(self) -> str:
        """One JSON object; `from_dict` reads it."""
        head: dict[str, Any] = {"number": self.number, "label": self.label, "seen": self.seen}
        head |= {"notes": dict(self.notes), "digest": self.digest}
        rest = f'"params":{self.params_json or "null"},"recipe":{self.recipe_json}'
        return f"{_json(head)[:-1]},{rest}}}"

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Proposal:
        """Reads what `to_json` wrote."""
        return cls(
            number=content["number"],
            digest=content["digest"],
            recipe_json=_json(content["recipe"]),
            params_json=None if content["params"] is None else _json(content["params"]),
            label=content["label"],
            notes=content["notes"],
            seen=content["seen"],
        )


@dataclass(frozen=True)
class Trial:
    """A proposal and its outcome."""

    proposal: Proposal
    state: TrialState
    order: int
    """Position in the order of finishing, in which the sampler receives trials."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Objective -> value; a duplicate has the scores of the earlier trial."""
    cause: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    worker: str = ""
    share: float = 0.0
    """Share of a full evaluation that was done; less than 1 if it was stopped early."""
    clock: float = 0.0
    """Seconds that drivers had run when it finished; time between sessions does not count."""
    conditions: Mapping[str, Any] | None = None
    """Hardware and batch size, which change the last bits of scores: the fields of `Conditions`."""
    documents: int = 0
    """How many it was scored on; 0 also in runs of earlier versions."""
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    """Objective -> what a stopped trial would score on all documents, and how sure that is."""

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.proposal.number

    @property
    def label(self) -> str | None:
        """The name of a baseline; None for a sampled point."""
        return self.proposal.label

    @property
    def estimated_scores(self) -> Mapping[str, float]:
        """The scores; of a stopped trial, estimates of them."""
        return self.scores or {name: each.value for name, each in self.estimates.items()}

    @property
    def reason(self) -> str:
        """The last line of the cause: of a traceback, the line with the error."""
        return next(reversed((self.cause or "").strip().splitlines()), "for no known cause")

    def summary(self) -> dict[str, Any]:
        """All fields except the proposal, as plain JSON values."""
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
            "documents": self.documents,
            "estimates": {name: asdict(each) for name, each in self.estimates.items()},
        }

    def to_json(self) -> str:
        """One JSON object that contains the proposal; `from_dict` reads it."""
        return f'{_json(self.summary())[:-1]},"proposal":{self.proposal.to_json()}}}'

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Trial:
        """Reads what `to_json` wrote."""
        # missing in runs of earlier versions
        content = {"conditions": None, "documents": 0, "estimates": {}, **content}
        rest = {name: content[name] for name in _FIELDS}
        rest["estimates"] = {k: Estimate(**each) for k, each in rest["estimates"].items()}
        return cls(Proposal.from_dict(content["proposal"]), **rest)


_FIELDS = [each.name for each in fields(Trial) if each.name != "proposal"]


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))

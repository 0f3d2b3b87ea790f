"""Where a run stands: its front beside the base, the models and the uniform soup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from search.first import BASE, UNIFORM
from search.front import Losses, front, knee, normalised
from search.objectives import Objective, losses
from search.trial import Trial


@dataclass(frozen=True)
class Standing:
    """The scored trials of a run, looked at together."""

    objectives: Sequence[Objective]
    trials: Sequence[Trial]

    @cached_property
    def scored(self) -> list[Trial]:
        """Trials with scores, duplicates left out, by number."""
        found = [trial for trial in self.trials if trial.state == "scored"]
        return sorted(found, key=lambda trial: trial.number)

    @cached_property
    def references(self) -> dict[str, Trial]:
        """The base, the models and the uniform soup, as far as they are scored, by label."""
        return {trial.label: trial for trial in self.scored if trial.label}

    @cached_property
    def models(self) -> dict[str, Trial]:
        """The models alone, by name."""
        kept = self.references.items()
        return {label: trial for label, trial in kept if label not in (BASE, UNIFORM)}

    @cached_property
    def front(self) -> list[Trial]:
        """The trials that no other beats on all objectives at once, best mean first."""
        if not self.scored:
            return []
        on = [self.scored[i] for i in front(self._losses(self.scored))]
        return sorted(on, key=lambda trial: -self.mean(trial))

    def mean(self, trial: Trial) -> float:
        """Mean over the objectives, each from 0 (the worst of base and models) to 1 (the best).

        It passes 1 where the merge is better than every model at everything.
        """
        return float(1 - normalised(self._losses([trial]), self._anchors)[0].mean())

    def pick(self, how: str) -> Trial:
        """The front member asked for: `knee`, or `best:OBJECTIVE`.

        Raises:
            ValueError: if nothing is scored yet, or there is no such way to pick.
        """
        if not self.front:
            raise ValueError("nothing is scored yet, so there is no front to pick from")
        if how == "knee":
            return self.front[knee(normalised(self._losses(self.front), self._anchors))]
        names = [each.name for each in self.objectives]
        kind, _, name = how.partition(":")
        if kind != "best" or name not in names:
            ways = ", ".join(["knee", *(f"best:{each}" for each in names)])
            raise ValueError(f"cannot pick {how!r}; choose one of {ways}")
        column = self._losses(self.front)[:, names.index(name)]
        return self.front[int(np.argmin(column))]

    def trial(self, number: int) -> Trial:
        """A scored trial by number.

        Raises:
            ValueError: if there is none.
        """
        for trial in self.scored:
            if trial.number == number:
                return trial
        states = {trial.number: trial.state for trial in self.trials}
        known = f"it is {states[number]}" if number in states else "there is no such trial"
        raise ValueError(f"trial {number} has no scores: {known}")

    def best(self) -> dict[str, float]:
        """The best value of each objective so far."""
        return {
            each.name: min(
                (trial.scores[each.name] for trial in self.scored), key=lambda v: each.sign * v
            )
            for each in self.objectives
            if self.scored
        }

    def to_json(self, run: str) -> dict[str, Any]:
        """What `mergefront front --json` prints; the keys are kept stable."""
        references = self.references
        return {
            "version": 1,
            "run": run,
            "objectives": {each.name: each.direction for each in self.objectives},
            "base": _scores(references.get(BASE)),
            "models": {name: _scores(trial) for name, trial in self.models.items()},
            "uniform": _scores(references.get(UNIFORM)),
            "front": [
                {
                    "trial": trial.number,
                    "scores": dict(trial.scores),
                    "mean": self.mean(trial),
                    "recipe": trial.proposal.recipe.to_dict(),
                    "digest": trial.proposal.recipe.digest,
                }
                for trial in self.front
            ],
        }

    @cached_property
    def _anchors(self) -> Losses:
        """What 0 and 1 of a mean are: the base and the models, or everything until they are in."""
        inputs = [trial for label, trial in self.references.items() if label != UNIFORM]
        return self._losses(inputs or self.scored)

    def _losses(self, trials: Iterable[Trial]) -> Losses:
        return np.array([losses(list(self.objectives), trial.scores) for trial in trials])


def _scores(trial: Trial | None) -> Mapping[str, float] | None:
    return dict(trial.scores) if trial else None

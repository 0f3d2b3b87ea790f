"""Where a run stands: its front beside the base, the models and the uniform soup."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.ledger.trial import BASE, UNIFORM, Trial
from search.objectives.front import MARGIN, Losses, front, hypervolume, knee, normalised, volumes
from search.objectives.objective import Objective, losses
from search.results.constant import constant
from search.results.where import Condition


@dataclass(frozen=True)
class RunResults:
    """The scored trials of a run, looked at together."""

    objectives: Sequence[Objective]
    trials: Sequence[Trial]
    chosen: Sequence[Trial] | None = None
    """The part of the front that is looked at; None is all of it."""

    @classmethod
    def of(cls, described: Mapping[str, Any], trials: Sequence[Trial]) -> RunResults:
        """The trials of a run whose header describes its objectives so."""
        return cls([Objective.from_dict(name, each) for name, each in described.items()], trials)

    @cached_property
    def scored(self) -> list[Trial]:
        """Trials with scores, duplicates left out, by number."""
        found = [trial for trial in self.trials if trial.state == "scored"]
        return sorted(found, key=lambda trial: trial.number)

    @cached_property
    def references(self) -> dict[str, Trial]:
        """The trials that a run begins with, as far as they are scored, by label."""
        return {trial.label: trial for trial in self.scored if trial.label}

    @cached_property
    def models(self) -> dict[str, Trial]:
        """The models alone, by name."""
        kept = self.references.items()  # every label but a model's name has a space in it
        return {label: trial for label, trial in kept if label != BASE and " " not in label}

    @cached_property
    def front(self) -> list[Trial]:
        """The trials that no other beats on all objectives at once, best mean first."""
        if self.chosen is not None:
            return list(self.chosen)
        if not self.scored:
            return []
        on = [self.scored[i] for i in front(self._losses(self.scored))]
        return sorted(on, key=lambda trial: -self.mean(trial))

    @property
    def constant(self) -> dict[str, float]:
        """The objectives with one value for all scored trials, which tell none from another."""
        return constant(self.objectives, self.scored)

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
            why = (
                "nothing is scored yet" if self.chosen is None else "no trial of it fulfils --where"
            )
            raise ValueError(f"{why}, so there is no front to pick from")
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
        states = {trial.number: f"it is {trial.state}, {trial.reason}" for trial in self.trials}
        known = states.get(number, "there is no such trial")
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
            "constant": self.constant,
            "base": _scores(references.get(BASE)),
            "models": {name: _scores(trial) for name, trial in self.models.items()},
            "uniform": _scores(references.get(UNIFORM)),
            "front": [
                {
                    "trial": trial.number,
                    "scores": dict(trial.scores),
                    "mean": self.mean(trial),
                    "recipe": json.loads(trial.proposal.recipe_text),
                    "digest": trial.proposal.digest,
                }
                for trial in self.front
            ],
        }

    @cached_property
    def _anchors(self) -> Losses:
        """What 0 and 1 of a mean are: the base and the models, or everything until they are in."""
        base = [self.references[BASE]] if BASE in self.references else []
        return self._losses([*base, *self.models.values()] or self.scored)

    @property
    def reference(self) -> NDArray[np.float64]:
        """What the hypervolume is measured from, in losses: just behind the worst of the inputs.

        Per objective the worst of base and models, and a tenth of their span behind it, so that
        the models at the ends of the front count too.
        """
        best, worst = self._anchors.min(0), self._anchors.max(0)
        return np.asarray(worst + MARGIN * np.where(worst > best, worst - best, 1.0))

    @cached_property
    def history(self) -> list[float]:
        """The hypervolume after each scored trial, in the order of finishing.

        On the scale on which the worst of base and models is 0 and the best 1, per objective.
        """
        return volumes(*self._course) if self.scored else []

    def growth(self, window: int) -> float | None:
        """By what share the hypervolume grew in the last `window` scored trials.

        None where there are fewer, or where it was nothing before them.
        """
        rows, corner = self._course
        before = hypervolume(rows[:-window], corner) if len(rows) > window else 0.0
        return hypervolume(rows, corner) / before - 1 if before > 0 else None

    @cached_property
    def _course(self) -> tuple[Losses, NDArray[np.float64]]:
        """Scaled losses of the scored trials in the order of finishing, and the reference point."""
        ordered = [trial for trial in self.trials if trial.state == "scored"]
        corner = normalised(self.reference[None], self._anchors)[0]
        return normalised(self._losses(ordered), self._anchors), corner

    def history_json(self) -> dict[str, Any]:
        """What `mergefront front --json --history` adds; the keys are kept stable."""
        signed = zip(self.objectives, self.reference if self.scored else (), strict=False)
        return {
            "reference": {each.name: each.sign * float(loss) for each, loss in signed},
            "hypervolume": self.history,
        }

    def where(self, expression: str) -> RunResults:
        """The same run with only those trials on the front that fulfil an expression.

        Raises:
            ValueError: if it is no expression, or names what is not there.
        """
        condition = Condition(expression)
        others = {label: trial.scores for label, trial in self._named.items()}
        names = [each.name for each in self.objectives]
        kept = [trial for trial in self.front if condition(trial.scores, others, names)]
        return replace(self, chosen=kept)

    @property
    def _named(self) -> dict[str, Trial]:
        """What an expression may compare with: base, models and the uniform soup."""
        uniform = self.references.get(UNIFORM)
        base = self.references.get(BASE)
        found = {BASE: base, **self.models, "uniform": uniform}
        return {label: trial for label, trial in found.items() if trial is not None}

    def _losses(self, trials: Iterable[Trial]) -> Losses:
        return np.array([losses(list(self.objectives), trial.scores) for trial in trials])


def _scores(trial: Trial | None) -> Mapping[str, float] | None:
    return dict(trial.scores) if trial else None

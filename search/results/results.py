"""The scored trials of a run together: the front beside base, models and the uniform soup."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.ledger import BASE, UNIFORM, Trial
from search.objectives import (
    EXACT,
    MARGIN,
    Losses,
    Objective,
    front,
    hypervolume,
    knee,
    losses,
    neighbours,
    normalised,
    volumes,
)
from search.results.constant_objectives import constant_objectives
from search.results.where_expression import WhereExpression


@dataclass(frozen=True)
class RunResults:
    """The results of a run so far.

    Args:
        objectives: of the run, in order.
        trials: that have finished, in the order of finishing.
        condition: which trials of the front to show; None shows all.
    """

    objectives: Sequence[Objective]
    trials: Sequence[Trial]
    condition: WhereExpression | None = None

    @classmethod
    def of(cls, objectives: Mapping[str, Any], trials: Sequence[Trial]) -> RunResults:
        """The results of trials, with the objectives as a run's header has them."""
        return cls([Objective.from_dict(name, each) for name, each in objectives.items()], trials)

    @cached_property
    def scored(self) -> list[Trial]:
        """Trials with scores, duplicates left out, by number."""
        found = [trial for trial in self.trials if trial.state == "scored"]
        return sorted(found, key=lambda trial: trial.number)

    @cached_property
    def baselines(self) -> dict[str, Trial]:
        """The scored trials that a search begins with, by label."""
        return {
            trial.label: trial
            for trial in self.scored
            if trial.label and not trial.proposal.is_average
        }

    @cached_property
    def models(self) -> dict[str, Trial]:
        """The models alone, by name."""
        inputs = {label: each for label, each in self.baselines.items() if each.proposal.is_input}
        return {label: trial for label, trial in inputs.items() if label != BASE}

    @property
    def compared(self) -> dict[str, Trial]:
        """The scored ones of what every merge is compared with: base, models, uniform soup."""
        labels = (BASE, *self.models, UNIFORM)
        return {label: self.baselines[label] for label in labels if label in self.baselines}

    @cached_property
    def front(self) -> list[Trial]:
        """The non-dominated trials that satisfy the condition, best mean first."""
        if not self.scored:
            return []
        found = [self.scored[i] for i in front(self._losses(self.scored))]
        if self.condition:
            found = [each for each in found if self._satisfies(each, self.condition)]
        return sorted(found, key=lambda trial: -self.mean(trial))

    @property
    def constant(self) -> dict[str, float]:
        """The objectives with one value for all scored trials, which rank nothing."""
        return constant_objectives(self.objectives, self.scored)

    def mean(self, trial: Trial) -> float:
        """Mean over the objectives, each from 0 (the worst of base and models) to 1 (the best).

        Weighted if the config prefers some. Above 1 the merge is better, on average over the
        objectives, than the best model of each.
        """
        weights = [each.weight for each in self.objectives]
        return float(np.average(self.shares(trial), weights=weights))

    def shares(self, trial: Trial) -> NDArray[np.float64]:
        """Each objective from 0, the worst of base and models, to 1, the best of them."""
        return np.asarray(1 - normalised(self._losses([trial]), self._anchors)[0])

    def pick(self, how: str) -> Trial:
        """A trial of the front: `knee`, `mean` for the best mean, or `best:OBJECTIVE`.

        Raises:
            ValueError: if nothing is scored yet, or there is no such way to pick.
        """
        if not self.front:
            why = "no trial of it satisfies --where" if self.scored else "nothing is scored yet"
            raise ValueError(f"{why}, so there is no front to pick from")
        if how == "mean":
            return self.front[0]
        if how == "knee":
            return self.front[knee(normalised(self._losses(self.front), self._anchors))]
        names = [each.name for each in self.objectives]
        kind, _, name = how.partition(":")
        if kind != "best" or name not in names:
            ways = ", ".join(["knee", "mean", *(f"best:{each}" for each in names)])
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
        is_stopped = any(t.state == "stopped" for t in self.trials if t.number == number)
        what = "only estimates of scores" if is_stopped else "no scores"
        raise ValueError(f"trial {number} has {what}: {known}")

    def neighbours(self) -> list[tuple[Trial, Trial]]:
        """Trials side by side on the front, the farthest apart first."""
        rows = normalised(self._losses(self.front), self._anchors) if self.front else ()
        return [(self.front[i], self.front[j]) for i, j in neighbours(np.array(rows))]

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
        return {
            "version": 1,
            "run": run,
            "objectives": {each.name: each.direction for each in self.objectives},
            "constant": self.constant,
            "base": _scores(self.baselines.get(BASE)),
            "models": {name: _scores(trial) for name, trial in self.models.items()},
            "uniform": _scores(self.baselines.get(UNIFORM)),
            "front": [
                {
                    "trial": trial.number,
                    "scores": dict(trial.scores),
                    "mean": self.mean(trial),
                    "recipe": json.loads(trial.proposal.recipe_json),
                    "digest": trial.proposal.digest,
                }
                for trial in self.front
            ],
        }

    @cached_property
    def _anchors(self) -> Losses:
        """Losses that define 0 and 1 of a mean: base and models or, before these, all trials."""
        base = [self.baselines[BASE]] if BASE in self.baselines else []
        return self._losses([*base, *self.models.values()] or self.scored)

    @property
    def reference_point(self) -> NDArray[np.float64]:
        """The losses from which the hypervolume is measured: just behind the worst of the inputs.

        Per objective the worst of base and models, and a tenth of their span behind it, so that
        the models at the ends of the front count too.
        """
        best, worst = self._anchors.min(0), self._anchors.max(0)
        return np.asarray(worst + MARGIN * np.where(worst > best, worst - best, 1.0))

    @cached_property
    def history(self) -> list[float]:
        """The hypervolume after each scored trial, in the order of finishing.

        On the scale on which the worst of base and models is 0 and the best 1, per objective;
        estimated if there are more than `EXACT` objectives.
        """
        return volumes(*self._normalised) if self.scored else []

    def growth(self, window: int) -> float | None:
        """The share by which the hypervolume grew in the last `window` trials with scores.

        A stopped trial is one of them, and adds nothing. None if there are fewer trials, or if the
        hypervolume was 0 before them.
        """
        states = [trial.state for trial in self.trials if trial.state in ("scored", "stopped")]
        known = states[:-window].count("scored")
        if len(self.objectives) > EXACT:
            before = self.history[known - 1] if known else 0.0
            return self.history[-1] / before - 1 if before > 0 else None
        rows, reference = self._normalised
        before = hypervolume(rows[:known], reference) if known else 0.0
        return hypervolume(rows, reference) / before - 1 if before > 0 else None

    @cached_property
    def _normalised(self) -> tuple[Losses, NDArray[np.float64]]:
        """Normalised losses in the order of finishing, and the normalised reference point."""
        ordered = [trial for trial in self.trials if trial.state == "scored"]
        reference = normalised(self.reference_point[None], self._anchors)[0]
        return normalised(self._losses(ordered), self._anchors), reference

    def history_json(self) -> dict[str, Any]:
        """What `mergefront front --json --history` adds; the keys are kept stable."""
        point = zip(self.objectives, self.reference_point if self.scored else (), strict=False)
        return {
            "reference": {each.name: each.sign * float(loss) for each, loss in point},
            "hypervolume": self.history,
        }

    def where(self, expression: str) -> RunResults:
        """The same results with only those trials on the front that satisfy an expression.

        Raises:
            ValueError: if it is no expression, or names what does not exist.
        """
        found = replace(self, condition=WhereExpression(expression))
        _ = found.front  # an unknown name is an error here, not where the front is first used
        return found

    def matching(self, expression: str) -> list[Trial]:
        """The scored trials that satisfy an expression, whether or not they are on the front.

        Raises:
            ValueError: if it is no expression, or names what does not exist.
        """
        condition = WhereExpression(expression)
        return [trial for trial in self.scored if self._satisfies(trial, condition)]

    def _satisfies(self, trial: Trial, condition: WhereExpression) -> bool:
        names = [each.name for each in self.objectives]
        named = {UNIFORM: "uniform"}  # as an expression writes it
        others = {named.get(label, label): each.scores for label, each in self.compared.items()}
        return condition(trial.scores, others, names)

    def _losses(self, trials: Iterable[Trial]) -> Losses:
        rows = (losses(list(self.objectives), trial.estimated_scores) for trial in trials)
        return np.array(list(rows))


def _scores(trial: Trial | None) -> Mapping[str, float] | None:
    return dict(trial.scores) if trial else None

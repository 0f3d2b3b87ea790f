"""The verdict on a candidate: its scores on report documents, tested against what it came from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.ledger import BASE, UNIFORM
from search.results.interval import CONFIDENCE, Interval, interval
from search.results.paired_test import PairedTest, holm, paired_test

if TYPE_CHECKING:
    from search.objectives import Objective
    from search.results.document_scores import DocumentScores

ScoresByObjective = Mapping[str, "DocumentScores"]


@dataclass(frozen=True)
class Comparison:
    """A candidate beside one other, for one objective."""

    score: float
    """Of the other, on the report documents."""
    test: PairedTest
    """Of the improvement: positive if the candidate is better, whatever the direction."""
    p_holm: float
    """Corrected over all comparisons of the verdict."""

    @property
    def improvement_text(self) -> str:
        """How much better the candidate is, with the interval if there is one."""
        width = self.test.half_width
        error = f" ± {width:.4f}" if math.isfinite(width) else ""
        return f"{self.test.difference:+.4f}{error}"

    @property
    def result(self) -> str:
        """`better`, `worse`, or `not distinguishable`."""
        if self.p_holm > 1 - CONFIDENCE:
            return "not distinguishable"
        return "better" if self.test.difference > 0 else "worse"


@dataclass(frozen=True)
class ObjectiveVerdict:
    """A candidate beside all others, for one objective."""

    objective: Objective
    search: float
    """The score that it was found by."""
    report: float
    interval: Interval
    comparisons: Mapping[str, Comparison]
    """By label: the base, the models, the uniform soup."""
    is_input: bool = False
    """Whether the candidate is the base or a model itself."""

    @property
    def report_text(self) -> str:
        """The score on the report documents, with its interval if it has one."""
        low, high = self.interval
        known = math.isfinite(low) and math.isfinite(high)
        return f"{self.report:.4f} " + (f"[{low:.4f}, {high:.4f}]" if known else "(no interval)")

    @property
    def warnings(self) -> Iterator[str]:
        """Why it may say nothing."""
        if not all(map(math.isfinite, self.interval)):
            yield (
                f"{self.objective.name} has neither intervals nor tests: there are fewer than two "
                "report documents with scores of their own"
            )
        elif len(self.comparisons) > 1 and not any(
            each.test.difference for each in self.comparisons.values()
        ):
            yield f"{self.objective.name} is the same for all on the report documents"

    @property
    def sentence(self) -> str:
        """The comparisons in words."""
        groups = {
            result: {k: v for k, v in self.comparisons.items() if v.result == result}
            for result in ("better", "worse", "not distinguishable")
        }
        inputs = "other input model" if self.is_input else "input model"
        parts = [
            f"{result} than {self._who(some, f'every {inputs}')} ({_least(some)})"
            for result in ("better", "worse")
            if (some := groups[result])
        ]
        if unclear := groups["not distinguishable"]:
            parts.append(f"not distinguishable from {self._who(unclear, f'any {inputs}')}")
        return f"{self.objective.name}: {', '.join(parts) or 'nothing to compare with'}"

    def _who(self, group: Mapping[str, Comparison], inputs: str) -> str:
        """The others of a group, listed; those that went in have one word if all are in it."""
        went_in = [label for label in self.comparisons if label != UNIFORM]
        if len(went_in) < 2 or not group.keys() >= {*went_in}:
            return _listed(group)
        return _listed([inputs, *(label for label in group if label not in went_in)])

    def to_json(self) -> dict[str, Any]:
        """What `mergefront verdict --json` prints of an objective."""
        return {
            "direction": self.objective.direction,
            "search": self.search,
            "report": self.report,
            "interval": _finite(self.interval),
            "gap": self.report - self.search,
            "comparisons": {
                label: {
                    "score": each.score,
                    "improvement": each.test.difference,
                    "interval": _finite(each.test.interval),
                    "test": each.test.test,
                    "p": each.test.p_value,
                    "p_holm": each.p_holm,
                    "result": each.result,
                }
                for label, each in self.comparisons.items()
            },
            "sentence": self.sentence,
        }


def verdict(
    objectives: Sequence[Objective],
    search: Mapping[str, float],
    candidate: ScoresByObjective,
    others: Mapping[str, ScoresByObjective],
    *,
    is_input: bool = False,
) -> list[ObjectiveVerdict]:
    """Compares a candidate with others on the same documents, one verdict per objective.

    Args:
        objectives: of the run.
        search: the candidate's scores that it was found by.
        candidate: its scores on the report documents, by objective.
        others: those of the base, the models and the uniform soup, by label.
        is_input: the candidate is the base or a model itself.
    """
    pairs = [(each, label) for each in objectives for label in others]
    tests = [_improvement(o, candidate[o.name], others[label][o.name]) for o, label in pairs]
    corrected = holm([test.p_value for test in tests])
    comparisons: dict[str, dict[str, Comparison]] = {each.name: {} for each in objectives}
    for (objective, label), test, p_holm in zip(pairs, tests, corrected, strict=True):
        score = others[label][objective.name].score
        comparisons[objective.name][label] = Comparison(score, test, p_holm)
    return [
        ObjectiveVerdict(
            objective=each,
            search=search[each.name],
            report=candidate[each.name].score,
            interval=interval(candidate[each.name]),
            comparisons=comparisons[each.name],
            is_input=is_input,
        )
        for each in objectives
    ]


def _improvement(objective: Objective, one: DocumentScores, other: DocumentScores) -> PairedTest:
    return paired_test(other, one) if objective.direction == "minimize" else paired_test(one, other)


def _finite(bounds: Interval) -> list[float] | None:
    """Two bounds, or None if they are infinite: JSON has no such number."""
    return list(bounds) if all(map(math.isfinite, bounds)) else None


def _least(comparisons: Mapping[str, Comparison]) -> str:
    """The smallest difference among them, with its interval, and to whom if there are several."""
    label, least = min(comparisons.items(), key=lambda item: abs(item[1].test.difference))
    number = least.improvement_text
    return f"{number} to {_named(label)}" if len(comparisons) > 1 else number


def _listed(labels: Sequence[str] | Mapping[str, Any]) -> str:
    *first, last = (_named(label) for label in labels)
    return f"{', '.join(first)} and {last}" if first else last


def _named(label: str) -> str:
    return f"the {label}" if label in (BASE, UNIFORM) else label

"""The laws of scoring in stages, with made-up scores per document and fixed seeds.

Models have a skill, documents a difficulty that all models share, and each model its own luck with
each document, part of which it shares with its relatives, as merges of the same models do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.stages import (
    Address,
    Criterion,
    Reference,
    StagedMetric,
    Stages,
    StageSettings,
    Stop,
    Values,
    race,
    stratified_order,
)

DOCUMENTS = 600  # of each task
SIZES = StageSettings().sizes_for([DOCUMENTS])
KINDS = {
    "accuracy": Criterion("accuracy", 1, (StagedMetric(("pick", "acc,none")),)),
    "bits per byte": Criterion("bits", -1, (StagedMetric(("text", "bits_per_byte,none")),)),
}
OWN_LUCK = 0.4  # standard deviation, of 1 for the difficulty
SHARED_LUCK = 0.6  # of relatives
FEW = 0.05  # of the documents, in `false_stops_by_few_documents`

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TaskOfKind:
    """The documents of a task."""

    kind: str
    hard: Array
    shared: Array
    rng: np.random.Generator

    @classmethod
    def drawn(cls, kind: str, rng: np.random.Generator) -> TaskOfKind:
        """A random one."""
        hard, shared = rng.standard_normal((2, DOCUMENTS))
        return cls(kind, hard, SHARED_LUCK * shared, rng)

    def scores(self, skill: float) -> Array:
        """Of one model on each document."""
        own = skill - self.hard + self.shared + OWN_LUCK * self.rng.standard_normal(DOCUMENTS)
        if self.kind == "accuracy":
            return (own > 0).astype(np.float64)
        return (0.1 * own - 1.0) * (1 + 0.2 * self.hard)  # log-likelihoods per byte

    def address(self) -> Address:
        """Of its metric."""
        return KINDS[self.kind].metrics[0].address


@dataclass(frozen=True)
class Coverage:
    """How often the 95 % interval of an estimate has the score on all documents."""

    kind: str
    documents: int | None
    """That it is estimated from; None for the estimates of candidates that were stopped."""
    share: float
    cases: int


def false_stops(kinds: Sequence[str], confidence: float, runs: int, seed: int) -> float:
    """How often a candidate is stopped that no member of the front beats, in the worst case.

    Each of three members is far ahead in one objective, and on all documents together exactly as
    good as the candidate in the other, though not on each document.

    Args:
        kinds: of the two objectives.
        confidence: of the stages; the rate may be 1 - confidence.
        runs: to count over.
        seed: of the scores.
    """
    rng = np.random.default_rng(seed)
    stopped = 0
    for _ in range(runs):
        tasks = [TaskOfKind.drawn(kind, rng) for kind in kinds]
        candidate = [task.scores(0.0) for task in tasks]
        members = []
        for ahead in (0, 1, 0):
            rows = [rng.permutation(row) for row in candidate]
            rows[ahead] = tasks[ahead].scores(1.5)
            members.append(rows)
        stopped += _raced(kinds, candidate, members, confidence)[1] is not None
    return stopped / runs


def false_stops_by_few_documents(confidence: float, runs: int, seed: int) -> float:
    """The same where the normal distribution is furthest from the truth.

    On a few documents the candidate gains as much as two models ever differ, on all others it loses
    a little, and the two cancel out: a sample that misses the few promises a loss.

    Args:
        confidence: of the stages.
        runs: to count over.
        seed: of the scores.
    """
    kind, rng = "bits per byte", np.random.default_rng(seed)
    stopped, few = 0, round(FEW * DOCUMENTS)
    for _ in range(runs):
        tasks = [TaskOfKind.drawn(kind, rng) for _ in range(2)]
        candidate = [task.scores(0.0) for task in tasks]
        members = []
        for ahead in (0, 1, 0):
            gains = np.full(DOCUMENTS, -few / (DOCUMENTS - few))
            gains[rng.permutation(DOCUMENTS)[:few]] = 1.0
            rows = [row - gains * _unit(kind) for row in candidate]
            rows[ahead] = tasks[ahead].scores(1.5)
            members.append(rows)
        stopped += _raced([kind] * 2, candidate, members, confidence)[1] is not None
    return stopped / runs


def documents_used(kind: str, behind: float, runs: int, seed: int) -> tuple[float, float]:
    """The share of documents that a candidate takes, and how far it is behind the one member.

    Args:
        kind: of the two objectives.
        behind: in skill, in both objectives.
        runs: to average over.
        seed: of the scores.

    Returns:
        The share of the documents, and the mean loss in the objective's own unit.
    """
    rng = np.random.default_rng(seed)
    used, lost = [], []
    for _ in range(runs):
        tasks = [TaskOfKind.drawn(kind, rng) for _ in range(2)]
        member = [task.scores(0.0) for task in tasks]
        candidate = [task.scores(-behind) for task in tasks]
        used.append(_raced([kind] * 2, candidate, [member], 0.95)[0] / (2 * DOCUMENTS))
        lost += [float(m.mean() - c.mean()) for m, c in zip(member, candidate, strict=True)]
    return float(np.mean(used)), float(np.mean(lost))


def coverage(kind: str, runs: int, seed: int) -> Iterator[Coverage]:
    """Of the intervals of estimates, after each stage and of stopped candidates.

    Args:
        kind: of the objective.
        runs: candidates, each with three fully scored relatives.
        seed: of the scores.
    """
    rng = np.random.default_rng(seed)
    hits: dict[int | None, list[bool]] = {n: [] for n in (*SIZES, None)}
    for _ in range(runs):
        task = TaskOfKind.drawn(kind, rng)
        order = stratified_order(task.scores(0.0), [int(rng.integers(2**32))])
        members = [[task.scores(skill)[order]] for skill in (0.2, 0.0, -0.2)]
        candidate = task.scores(float(rng.normal(-0.2, 0.3)))[order]
        stages, address = _stages([kind], members, 0.95), ("task 0", task.address()[1])
        truth = stages.estimates({address: candidate}, _unused)
        for n in SIZES:
            found = stages.estimates({address: candidate[:n]}, _unused)
            hits[n] += _is_covered(found, truth)
        _, stop = _raced([kind], [candidate], members, 0.95)
        if stop:
            hits[None] += _is_covered(stop.estimates, truth)
    for documents, each in hits.items():
        if each:
            yield Coverage(kind, documents, float(np.mean(each)), len(each))


def _is_covered(found: Any, truth: Any) -> list[bool]:
    return [abs(found[k].value - truth[k].value) <= 1.96 * found[k].error for k in truth]


def _stages(kinds: Sequence[str], members: Sequence[Sequence[Array]], confidence: float) -> Stages:
    """One task for each objective, all in the order that they have."""
    metrics = [KINDS[kind].metrics[0] for kind in kinds]
    addresses = [(f"task {i}", metric.address[1]) for i, metric in enumerate(metrics)]
    criteria = [
        Criterion(address[0], KINDS[kind].sign, (StagedMetric(address, unit=_unit(kind)),))
        for kind, address in zip(kinds, addresses, strict=True)
    ]
    return Stages(
        order={address[0]: tuple(range(DOCUMENTS)) for address in addresses},
        sizes=SIZES,
        criteria=tuple(criteria),
        members=tuple(
            Reference(i, dict(zip(addresses, rows, strict=True))) for i, rows in enumerate(members)
        ),
        confidence=confidence,
    )


def _unit(kind: str) -> float:
    return 1.0 if kind == "accuracy" else 0.2


def _raced(
    kinds: Sequence[str],
    candidate: Sequence[Array],
    members: Sequence[Sequence[Array]],
    confidence: float,
) -> tuple[int, Stop | None]:
    stages = _stages(kinds, members, confidence)
    addresses = [metric.address for each in stages.criteria for metric in each.metrics]
    values: Values = dict(zip(addresses, candidate, strict=True))

    def score(counts: Any) -> Values:
        return {address: each[: counts[address[0]]] for address, each in values.items()}

    stop = race(stages, score, _unused)
    return (stop.documents if stop else stages.documents), stop


def _unused(_address: Any, _values: Any) -> float:
    raise AssertionError("every metric here is a ratio")

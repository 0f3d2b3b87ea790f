"""What is kept of one search: its trials and curves, as plain JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scripts.live.family import Family
from search.ledger import Trial
from search.objectives import Objective
from search.results import RunResults

Key = tuple[str, str, int, int]


@dataclass(frozen=True)
class Record:
    """One search of a family by a sampler, or why there is none."""

    family: str
    digest: str
    """Of the family's models and tasks."""
    sampler: str
    seed: int
    count: int
    """Trials that were asked for."""
    left_out: str | None = None
    """Why the search was not done."""
    states: list[str] = field(default_factory=list)
    """Of the trials, in the order of finishing, as every list below."""
    methods: list[str | None] = field(default_factory=list)
    """None for a first trial."""
    scores: list[dict[str, float] | None] = field(default_factory=list)
    hypervolume: list[float] = field(default_factory=list)
    """After each trial."""
    mean: list[float | None] = field(default_factory=list)
    """The best mean of the objectives after each trial; None before the first score."""
    ask_seconds: list[float] = field(default_factory=list)
    """CPU seconds of each ask."""

    @property
    def key(self) -> Key:
        """The unique key of a record."""
        return self.family, self.sampler, self.seed, self.count


def record(
    family: Family,
    sampler: str,
    seed: int,
    trials: Sequence[Trial],
    ask_seconds: Sequence[float],
) -> Record:
    """The record of a finished search."""
    hypervolumes, means = curves(family.objectives, trials)
    return Record(
        family=family.name,
        digest=family.digest,
        sampler=sampler,
        seed=seed,
        count=len(trials),
        states=[trial.state for trial in trials],
        methods=[None if each.label else each.proposal.recipe.method for each in trials],
        scores=[dict(trial.scores) or None for trial in trials],
        hypervolume=hypervolumes,
        mean=means,
        ask_seconds=list(ask_seconds),
    )


def curves(
    objectives: list[Objective], trials: Sequence[Trial]
) -> tuple[list[float], list[float | None]]:
    """The hypervolume and the best mean after each trial, on the scale of base and models."""
    results = RunResults(objectives, trials)
    volumes = iter(results.history)
    hypervolumes, means = [0.0], [-np.inf]
    for trial in trials:
        is_scored = trial.state == "scored"
        hypervolumes.append(next(volumes) if is_scored else hypervolumes[-1])
        means.append(max(means[-1], results.mean(trial)) if is_scored else means[-1])
    return hypervolumes[1:], [None if np.isinf(mean) else mean for mean in means[1:]]


class RecordFile:
    """Records in one JSON file, which is written anew with each that is added."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._records: dict[Key, Record] = {}

    def read(self) -> None:
        """Takes up the records of an earlier call."""
        if self._path is not None and self._path.exists():
            for content in json.loads(self._path.read_text(encoding="utf-8"))["runs"]:
                found = Record(**content)
                self._records[found.key] = found

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def get(self, key: Key, digest: str) -> Record | None:
        """The record of a search, if the family is still the same."""
        found = self._records.get(key)
        return found if found and found.digest == digest else None

    def add(self, record: Record) -> None:
        """Keeps a record, on disk too."""
        self._records[record.key] = record
        if self._path is not None:
            part = self._path.with_name(f".{self._path.name}.part")
            part.write_text(json.dumps(self._content()), encoding="utf-8")
            part.replace(self._path)

    def _content(self) -> Mapping[str, Any]:
        return {"version": 1, "runs": [asdict(each) for each in self._records.values()]}

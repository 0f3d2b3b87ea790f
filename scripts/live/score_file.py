"""The scores of recipes, kept in a file so that none is evaluated twice."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Score:
    """What came of a recipe: a value per objective, unless the gate refused the model."""

    state: Literal["scored", "broken"]
    scores: Mapping[str, float] = field(default_factory=dict)
    cause: str | None = None
    seconds: float = 0.0
    """Wall time of the evaluation."""


class ScoreFile:
    """Scores by recipe digest, one JSON line each, in a file that several processes append to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Score] = {}
        self.read()

    def read(self) -> dict[str, Score]:
        """Everything in the file; a line that a killed process left unfinished is skipped."""
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        for line in text.splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            digest = content.pop("digest")
            self._known[digest] = Score(**content)
        return self._known

    def get(self, digest: str) -> Score | None:
        """The score of a recipe, if this process knows it."""
        return self._known.get(digest)

    def add(self, digest: str, score: Score) -> None:
        """Appends one line in a single write, which others cannot interrupt."""
        self._known[digest] = score
        line = "\n" + json.dumps({"digest": digest, **asdict(score)}) + "\n"
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

"""How many documents a search has scored, and how many it has saved by stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluators.wording import counted

if TYPE_CHECKING:
    from search.ledger import Trial


@dataclass(frozen=True)
class Effort:
    """The documents that trials were scored on, of all tasks."""

    scored: int
    """By all trials together."""
    full: int
    """By one trial that is scored completely; 0 if that is not known."""
    saved: int
    """That stopped trials were not scored on."""

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Effort:
        """The effort of finished trials; a duplicate has cost nothing, and saved nothing."""
        full = max((each.documents for each in trials if each.state == "scored"), default=0)
        stopped = [each for each in trials if each.state == "stopped" and each.documents]
        return cls(
            # trials of earlier versions know their share only
            scored=sum(each.documents or round(each.share * full) for each in trials),
            full=full,
            saved=sum(full - each.documents for each in stopped),
        )

    @property
    def scorings(self) -> float:
        """How many times all documents were scored."""
        return self.scored / self.full if self.full else 0.0

    @property
    def saved_share(self) -> float:
        """Of the documents that would have been scored without stages."""
        total = self.scored + self.saved
        return self.saved / total if total else 0.0

    def to_json(self) -> dict[str, Any]:
        """As `mergefront status --json` prints it; the keys are kept stable."""
        return {"scored": self.scored, "full": self.full, "saved": self.saved}

    def __str__(self) -> str:
        """Empty if nothing is scored completely yet."""
        scorings, saved = self.parts()[:2], self.parts()[2:]
        return ", ".join([" ".join(scorings), *saved])

    def parts(self, limit: float | None = None) -> list[str]:
        """In words: the full scorings, perhaps of so many that may be, and the share saved."""
        if not self.full:
            return []
        of = f" of {limit:g}" if limit else ""
        saved = [f"{self.saved_share:.0%} saved by stopping early"] if self.saved else []
        each = f"({counted(self.full, 'document')} each)"
        return [f"{self.scorings:.1f}{of} full scorings", each, *saved]

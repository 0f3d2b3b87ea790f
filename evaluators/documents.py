"""The split of a task's documents into those a search sees and those it never does."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from evaluators.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SetName = Literal["search", "selection", "report"]
Share = Annotated[float, Field(ge=0, le=1)]

SETS: tuple[SetName, ...] = get_args(SetName)


class DocumentSettings(Settings):
    """What share of each task's documents goes into each set.

    A config may say `all` instead: every document is searched on, and the other sets are empty.
    """

    search: Annotated[float, Field(gt=0, le=1)] = 0.6
    selection: Share = 0.2
    report: Share = 0.2

    @model_validator(mode="before")
    @classmethod
    def _all(cls, given: Any) -> Any:
        return {"search": 1, "selection": 0, "report": 0} if given == "all" else given

    @model_validator(mode="after")
    def _sum_is_one(self) -> DocumentSettings:
        total = self.search + self.selection + self.report
        if abs(total - 1) > 1e-9:
            raise ValueError(f"search + selection + report must be 1, not {total:g}")
        return self

    def set_of(self, doc_hash: str) -> SetName:
        """The set a document belongs to.

        It follows from the document's content alone, so it is the same when the data file is
        reordered or grows, and for equal documents of two tasks.
        """
        digest = hashlib.blake2b(doc_hash.encode(), digest_size=6).digest()
        place = int.from_bytes(digest) / 2**48  # in [0, 1), exactly
        if place < self.search:
            return "search"
        if not self.report or place < self.search + self.selection:
            return "selection"
        return "report"


def split(
    hashes: Mapping[str, Sequence[str]], settings: DocumentSettings
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Each set's documents of each task, as ascending positions in `hashes[task]`.

    Raises:
        ValueError: a set that should have documents has none in some task.
    """
    sets: dict[str, dict[str, tuple[int, ...]]] = {name: {} for name in SETS}
    for task, docs in hashes.items():
        names = [settings.set_of(doc) for doc in docs]
        for name in SETS:
            sets[name][task] = tuple(i for i, its in enumerate(names) if its == name)
    poor = [
        task for task in hashes if any(getattr(settings, n) and not sets[n][task] for n in SETS)
    ]
    if poor:
        raise ValueError("\n".join(_too_few(task, len(hashes[task]), sets) for task in poor))
    return sets


def _too_few(task: str, total: int, sets: Mapping[str, Mapping[str, Sequence[int]]]) -> str:
    parts = ", ".join(f"{len(sets[name][task])} {name}" for name in SETS)
    return (
        f"task {task}: {total} documents split into {parts}; "
        "give it more documents, larger shares, or say `documents: all`"
    )

"""The split of a task's documents into the sets search, selection and report."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from evaluators.settings import Settings
from evaluators.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

SetName = Literal["search", "selection", "report"]
Share = Annotated[float, Field(ge=0, le=1)]

SETS: tuple[SetName, ...] = get_args(SetName)


class DocumentSettings(Settings):
    """The share of each task's documents in each set.

    `all` in a config means that every document is a search document.
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
        """The set that a document belongs to.

        It depends only on the document's content: reordering or extending the data file does not
        change it, and equal documents of two tasks are in the same set.
        """
        digest = hashlib.blake2b(doc_hash.encode(), digest_size=6).digest()
        position = int.from_bytes(digest) / 2**48  # in [0, 1), exact
        if position < self.search:
            return "search"
        if not self.report or position < self.search + self.selection:
            return "selection"
        return "report"


def split(
    hashes: Mapping[str, Sequence[str]],
    settings: DocumentSettings,
    held_out: Mapping[str, AbstractSet[str]] | None = None,
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Set -> task -> ascending positions in `hashes[task]`.

    Args:
        hashes: of the documents of each task.
        settings: the shares of the sets.
        held_out: task -> hashes of documents that are in no set.

    Raises:
        ValueError: a set with a positive share has no documents of some task.
    """
    sets: dict[str, dict[str, tuple[int, ...]]] = {name: {} for name in SETS}
    for task, docs in hashes.items():
        left_out = (held_out or {}).get(task, ())
        names = [None if doc in left_out else settings.set_of(doc) for doc in docs]
        for name in SETS:
            sets[name][task] = tuple(i for i, each in enumerate(names) if each == name)
    too_small = [
        task for task in hashes if any(getattr(settings, n) and not sets[n][task] for n in SETS)
    ]
    if too_small:
        raise ValueError("\n".join(_too_few(task, len(hashes[task]), sets) for task in too_small))
    return sets


def _too_few(task: str, total: int, sets: Mapping[str, Mapping[str, Sequence[int]]]) -> str:
    parts = ", ".join(f"{len(sets[name][task])} {name}" for name in SETS)
    return (
        f"task {task}: {counted(total, 'document')} split into {parts}; "
        "add documents, use larger shares, or set `documents: all`"
    )

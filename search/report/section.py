"""The sections of a report and their tables, as values that the page's template shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Cells as text; one row may be marked, and columns of text are left-aligned."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: Sequence[int] = ()
    marked: int | None = None


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it, in this order."""

    id: str
    title: str
    texts: Sequence[str] = ()
    figures: Sequence[str] = ()
    """HTML of plotly."""
    tables: Sequence[Table] = ()
    codes: Sequence[tuple[str, str]] = field(default=())
    """Titles and texts that can be folded away."""
